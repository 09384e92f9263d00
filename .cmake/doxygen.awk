# Makes the headers' comments Doxygen's: see docs.sh. Reads one header, writes what Doxygen is to see of it.
# `//` becomes `///`, a comment behind a declaration `///<`; the first comment is the file's; lines that are indented by three
# spaces or more are an example, word for word. `// ---- makers` divides a header and belongs to no declaration.
function escaped(text) {
  gsub(/\\/, "\\\\\\\\", text); gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text)
  gsub(/[*]/, "\\*", text); gsub(/@/, "\\@", text); gsub(/#/, "\\#", text)
  return text
}
# `in backticks` stays as it is.
function prose(text,    n, i, parts, out) {
  n = split(text, parts, "`")
  for (i = 1; i <= n; ++i) out = out (i > 1 ? "`" : "") (i % 2 ? escaped(parts[i]) : parts[i])
  return out
}
function comment_line(text) { print text; if (head) subject_text = subject_text text "\n" }
function leave_example() { if (example) comment_line("/// @endverbatim\n///"); example = 0 }
# Every declarator of `Index rows = 0, cols = 0;  // comment` for itself, with the comment.
function separate(declarations, comment,    n, i, parts, type, first) {
  n = split(declarations, parts, /, /)
  first = parts[1]
  sub(/ = .*$/, "", first)
  type = first
  sub(/[*]*[A-Za-z_0-9]+$/, "", type)
  for (i = 1; i <= n; ++i) printf("%s%s;  ///< %s\n", (i > 1 ? type : ""), parts[i], comment)
}
NR == 1 {
  print "/// @file"
  head = 1
  if (match($0, /^\/\/ [A-Z][A-Za-z0-9]+: /)) subject = substr($0, 4, RLENGTH - 5)
}
/^#pragma once/ { leave_example(); head = 0 }
# The class that a header's first line names has the header's comment.
subject != "" && !head && !commented && /^template </ { held = $0; next }
held != "" || ($1 == "class" || $1 == "struct") && !commented {
  if (subject != "" && $2 == subject) { printf("%s", subject_text); subject = "" }
  if (held != "") print held
  held = ""
}
{ commented = /^ *\/\// && !/^ *\/\/ ----/ }
/^ *\/\/ ----/ { print "//"; next }
{ gsub(/vitrine::inline VITRINE_ABI/, "vitrine") }
/^ *\/\/\/?( |$)/ {
  text = $0
  sub(/^ *\/\/\/?/, "", text)
  if (text ~ /^   +[^ ]/) {
    if (!example) comment_line("/// @verbatim")
    example = 1
    comment_line("/// " text)
  } else {
    leave_example()
    comment_line("///" prose(text))
  }
  next
}
{ leave_example(); sub(/ requires\(.*\) :/, " :"); sub(/ requires\(.*\) [{]/, " {") }
match($0, /[;,{}] +\/\/\/?<? /) && !/"[^"]*\/\/[^"]*"/ {
  code = substr($0, 1, RSTART)
  comment = substr($0, RSTART + RLENGTH)
  if (code ~ /^ *[A-Za-z_:<>\* ]+ [*]?[a-z_0-9]+( = [A-Za-z_0-9.:{}()-]+)?(, [*]?[a-z_0-9]+( = [A-Za-z_0-9.:{}()-]+)?)+;$/) {
    sub(/;$/, "", code)
    separate(code, prose(comment))
  } else if (code ~ /[{]$/ || comment ~ /^namespace /) {
    print code
  } else {
    print code "  ///< " prose(comment)
  }
  next
}
{ print }
END { leave_example() }
