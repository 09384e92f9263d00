# The C++ blocks of pages, section by section: awk -f code.awk PAGE...                 one program of all, on stdout
#                                              awk -v into=FOLDER -f code.awk PAGE...  a program of each, FOLDER/NUMBER.cpp
# Rules: see check.sh.
function close_section(    name) {
  if (body == "" && !is_program) return
  ++sections
  kinds = kinds (files ? "files\\n" : "block\\n")
  if (into == "") {
    functions = functions "namespace section_" sections " {\n" before
    functions = functions (is_program ? body : "int program() {\n" body "return 0;\n}\n") "}\n"
    calls = calls "    case " sections ": return section_" sections "::program();\n"
  } else {
    name = into "/" sections ".cpp"
    printf "// %s\n%s%s%s", section_place, own_headers, before, (is_program ? body : "int main() {\n" body "}\n") >name
    close(name)
  }
  body = before = own_headers = ""
  is_program = files = 0
}
function take_block(    first, i, lines, n, text, place) {
  place = FILENAME ":" block_line
  n = split(block, lines, "\n") - 1
  if (lines[1] ~ /^\/\/ goes on from above/) {
    if (body == "") { print place ": goes on from nothing" >"/dev/stderr"; failed = 1 }
  } else {
    close_section()
    section_place = place
    files = hidden
  }
  first = ""
  for (i = 1; i <= n; ++i) {
    if (lines[i] ~ /^#include/) {
      own_headers = own_headers "#line " (block_line + i) " \"" FILENAME "\"\n" lines[i] "\n"
      if (!(lines[i] in included)) headers = headers "#line " (block_line + i) " \"" FILENAME "\"\n" lines[i] "\n"
      included[lines[i]] = 1
      lines[i] = ""
    }
    if (lines[i] ~ /^int main\(/) is_program = 1
    if (first == "" && lines[i] !~ /^ *(\/\/.*)?$/) first = lines[i]
    text = text lines[i] "\n"
  }
  text = "#line " (block_line + 1) " \"" FILENAME "\"\n" text
  if (is_program && into == "") {
    sub(/int main\(\) {/, "int program() { vitrine_page(\"" place "\");", text)
    sub(/}\n+$/, "return 0;\n}\n", text)
    body = body text
  } else if (!is_program && first ~ /^(template|struct|class|enum|using) /) {
    before = before text
  } else {
    body = body (into == "" && !hidden ? "vitrine_page(\"" place "\");\n" : "") text
  }
}
FNR == 1 { close_section(); fence = hidden = 0 }
fence && $0 ~ "^ *" mark "$" { if (wanted) take_block(); fence = 0; next }
hidden && /^-->/ { take_block(); close_section(); hidden = 0; next }
fence || hidden { block = block $0 "\n"; next }
/^<!-- cpp$/ { hidden = 1; block = ""; block_line = FNR; next }
/^ *```/ {
  fence = 1; mark = "```"; info = $0; sub(/^ *```/, "", info); wanted = info == "cpp"
  block = ""; block_line = FNR
  next
}
END {
  close_section()
  if (failed || into != "") exit failed
  print "// Written by tests/pages/code.awk."
  print "#include <cstdio>\n#include <cstdlib>\n#include <iostream>"
  print headers "#line 1 \"pages.cpp\""
  print "#if defined(__GNUC__)\n#pragma GCC diagnostic ignored \"-Wunused\""
  print "#pragma GCC diagnostic ignored \"-Wunused-variable\"\n#pragma GCC diagnostic ignored \"-Wunused-but-set-variable\"\n#endif"
  print "static void vitrine_page(const char* block) {\n  std::cout.flush();\n  std::printf(\"\\x1d%s\\n\", block);\n  std::fflush(stdout);\n}"
  print functions
  print "// The section whose number is given; without one, a line for each: a block, or what writes files for the next block."
  print "int main(int count, char** arguments) {\n  if (count != 2) return std::printf(\"" kinds "\"), 0;"
  print "  switch (std::atoi(arguments[1])) {\n" calls "  }\n  return 2;\n}"
}
