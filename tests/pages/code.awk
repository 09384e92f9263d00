# One program from the C++ blocks of pages: awk -f code.awk PAGE...     Rules: see check.sh.
function close_section() {
  if (body != "") {
    functions = functions "namespace section_" ++sections " {\n" before "void run() {\n" body "}\n}\n"
    calls = calls "  section_" sections "::run();\n"
  }
  body = before = ""
}
function take_block(    line, first, includes, is_program, i, lines, n, text) {
  n = split(block, lines, "\n") - 1
  if (lines[1] ~ /^#include/ && !continues) close_section()
  continues = hidden
  first = ""
  for (i = 1; i <= n; ++i) {
    if (lines[i] ~ /^#include/) {
      if (!(lines[i] in included)) headers = headers "#line " (block_line + i) " \"" FILENAME "\"\n" lines[i] "\n"
      included[lines[i]] = 1
      lines[i] = ""
    }
    if (lines[i] ~ /^namespace vt = vitrine;/) lines[i] = ""
    if (lines[i] ~ /^int main\(/) is_program = 1
    if (first == "" && lines[i] !~ /^ *(\/\/.*)?$/) first = lines[i]
    text = text lines[i] "\n"
  }
  text = "#line " (block_line + 1) " \"" FILENAME "\"\n" text
  if (is_program) {
    sub(/int main\(/, "int program(", text)
    sub(/}\n+$/, "return 0;\n}\n", text)
    functions = functions "namespace section_" ++sections " {\n" text "}\n"
    calls = calls "  vitrine_page(\"" FILENAME ":" block_line "\");\n  if (section_" sections "::program() != 0) std::exit(1);\n"
  } else if (!hidden && first ~ /^(template|struct|class|enum|using) /) {
    before = before text
  } else {
    body = body (hidden ? "" : "vitrine_page(\"" FILENAME ":" block_line "\");\n") text
  }
}
FNR == 1 { close_section(); fence = hidden = 0 }
fence && $0 ~ "^ *" mark "$" { if (wanted) take_block(); fence = 0; next }
hidden && /^-->/ { take_block(); hidden = 0; next }
fence || hidden { block = block $0 "\n"; next }
/^ *```/ {
  fence = 1; mark = "```"; info = $0; sub(/^ *```/, "", info); wanted = info == "cpp"
  block = ""; block_line = FNR
  next
}
/^<!-- cpp$/ { hidden = 1; block = ""; block_line = FNR; next }
END {
  close_section()
  print "// Written by tests/pages/code.awk."
  print "#include <cstdio>\n#include <cstdlib>\n#include <iostream>"
  print headers "#line 1 \"pages.cpp\""
  print "#if defined(__GNUC__)\n#pragma GCC diagnostic ignored \"-Wunused\""
  print "#pragma GCC diagnostic ignored \"-Wunused-variable\"\n#pragma GCC diagnostic ignored \"-Wunused-but-set-variable\"\n#endif"
  print "static void vitrine_page(const char* block) {\n  std::cout.flush();\n  std::printf(\"\\x1d%s\\n\", block);\n  std::fflush(stdout);\n}"
  print functions
  print "int main() {\n" calls "}"
}
