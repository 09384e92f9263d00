# Prints every public entity without a comment, from Doxygen's XML: awk -f undocumented.awk build/docs/xml/{class,struct,union,namespace}*.xml
# The rule: each type, function, constant and alias has a comment of its own, in front of it or behind it; that of a function
# which answers a Status names its errors, or whose they are (`as forward_into`). It may be missing where
# - an overload of the same name in the same scope has one,
# - the member is data of a type that has one: its comment may speak of the fields,
# - it is a destructor, a constructor without arguments, a copy or a move, defaulted, deleted, a friend or a deduction guide.
# A class that the first line of its header names has that comment. Not public: private and protected members, what takes an
# argument of a namespace `detail` or is in one, headers in folders that are parts of one header.
function text_of(line) { gsub(/<[^>]*>/, "", line); gsub(/&lt;/, "<", line); gsub(/&gt;/, ">", line); gsub(/&amp;/, "\\&", line); return line }
function finish(    i) {
  if (compound == "" || hidden) { compound = ""; return }
  if (!compound_documented && compound_kind != "namespace") {
    print compound_place ": " compound_kind " " compound
    ++missing
  }
  for (i = 1; i <= members; ++i) {
    if (name[i] in documented) continue
    if (kind[i] == "variable" && compound_kind != "namespace" && compound_documented) continue
    print place[i] ": " kind[i] " " compound "::" name[i] arguments[i]
    ++missing
  }
  compound = ""
}
FNR == 1 { finish(); split("", documented); members = inside = 0; compound_documented = 0 }
/<compounddef / {
  hidden = /prot="private"/
  compound_kind = $0; sub(/.* kind="/, "", compound_kind); sub(/".*/, "", compound_kind) }
!inside && /<compoundname>/ { compound = text_of($0); sub(/^ +/, "", compound) }
/<memberdef / {
  inside = 1; this_kind = $0; sub(/.*<memberdef kind="/, "", this_kind); sub(/".*/, "", this_kind)
  public = /prot="public"/; has = 0; answers = ""; words = ""; this_name = this_arguments = this_definition = ""
}
inside && /^        <name>/ { this_name = text_of($0); sub(/^ +/, "", this_name) }
inside && /^        <type>/ { answers = text_of($0); sub(/ +$/, "", answers) }
inside && /^        <definition>/ { this_definition = text_of($0); sub(/^ +/, "", this_definition) }
inside && /^        <argsstring>/ { this_arguments = text_of($0); sub(/^ +/, "", this_arguments) }
/<(brief|detailed)description>/ { description = 1; described = "" }
description { described = described text_of($0) }
/<\/(brief|detailed)description>/ {
  description = 0
  if (inside) words = words described
  gsub(/[ \t\n]/, "", described)
  if (described != "") { if (inside && !/^ +<\/enumvalue/) has = 1; else if (!inside) compound_documented = 1 }
}
/<location / {
  at = $0; sub(/.*<location file="/, "", at); sub(/".*/, "", at)  # its lines are those of the filtered text
  if (!inside) compound_place = at; else this_place = at
}
/<\/memberdef>/ {
  inside = 0
  plain = compound; sub(/<.*/, "", plain); sub(/.*::/, "", plain)
  sub(/<.*/, "", this_name)
  if (has) documented[this_name] = 1
  if (!public || this_kind == "friend" || this_name ~ /^~/) next
  if (this_name == plain && (this_arguments ~ /^\(\)/ || this_arguments ~ ("^\\((const )?" plain "(< [A-Za-z, ]+ >)? &&?[a-z]*\\)"))) next
  if (this_arguments ~ /detail::/) next
  if (this_arguments ~ /=(default|delete)/ || this_name == "operator=" || this_arguments ~ /->/) next
  if (has && answers ~ /Status$/ && words !~ /bad_|not_|too_small|out_of|[Ee]rrors|[Aa]s [a-zA-Z]|on error/) {
    print this_place ": function " compound "::" this_name this_arguments ": its errors are not named, so it"
    ++missing
  }
  if (!has) { ++members; name[members] = this_name; kind[members] = this_kind; place[members] = this_place; arguments[members] = this_arguments }
}
END { finish(); exit missing > 0 }
