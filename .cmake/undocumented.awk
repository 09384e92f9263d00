# Prints every public entity that does not say what it must, from Doxygen's XML, and exits with 1 when there is one:
#   awk -v root=include -v filter='awk -f .cmake/doxygen.awk' -f undocumented.awk build/docs/xml/{class,struct,namespace}*.xml
# Each type, function, constant and alias has a comment of its own, in front of it or behind it. It may be missing where
# - an overload of the same name in the same scope has one (a deleted one does not count),
# - the member is data of a type that has one: its comment may speak of the fields,
# - it is a destructor, a constructor without arguments, a copy or a move, defaulted, deleted, a friend or a deduction guide.
# A class that the first line of its header names has that comment. Not public: private and protected members, what takes an
# argument of a namespace `detail` or is in one, headers in folders that are parts of one header.
# Of a function it asks more: the first of these in its own comment (or an overload's), the others there, in the comment of
# its class, or at the top of its header, so that nothing needs to be said twice.
# - Errors: one that answers a Status names the codes, or whose they are (`Errors as in Encoder`, `as Maps::prepare`).
# - Errors: one whose body has `throw` or throw_if_failed(, or that reads what comes from outside (a path, bytes, an argument
#   `text`) and is not noexcept, names the exception or its codes, or says that it never fails or throws. What else the functions
#   that it calls may throw is not asked.
# - Memory: one that takes a Memory or a Workspace, or returns what owns its values (Buffer, SharedValues, Tensor, RowMajor, a result,
#   std::vector, std::string), says where they are: allocates, heap, Memory, from `memory`, caller's, a view, scratch, a copy, grows.
# - Shape: one that takes or returns numbers (Sequences, Ragged, Tokens, Tensor, Heads, maps, matrices, a pointer to scalars or a
#   span of them) states a shape: (B, T, E), (rows, width); T x S; or a count, H factors, n values.
# - Source: one of kernels, run, layers, models, generate, io, text and inspect (core and corpus are asked for none) states what it
#   follows: an equation (`y = x W^T + b`; an assignment in an example is none), a paper (its authors and year), a system or a
#   format (names_a_source below has them), or that it is our own.
# Whether what is said is true, and of every argument, no script can tell. tests/headers/undocumented/ tests all of this.
function text_of(line) { gsub(/<[^>]*>/, "", line); gsub(/&lt;/, "<", line); gsub(/&gt;/, ">", line); gsub(/&amp;/, "\\&", line); return line }
# A line of a comment. No ` = ` of an example's code is taken for an equation.
function words_of(line) {
  if (line ~ /@verbatim|<verbatim>/) example = 1
  if (example && line ~ /;( |$)/) gsub(/ = /, "=", line)
  if (line ~ /@endverbatim|<\/verbatim>/) example = 0
  return text_of(line)
}
function report(at, text) { print at ": " text; ++missing }
# The comment at the top of a header, and its lines as Doxygen saw them (its line numbers are theirs).
function read_header(at,    line, number, command, top) {
  if (at in header_text) return
  header_text[at] = ""
  top = 1
  command = filter " '" root "/" at "'"
  while ((command | getline line) > 0) {
    seen[at, ++number] = line
    if (line ~ /^#pragma once/) top = 0
    if (top) header_text[at] = header_text[at] " " words_of(line)
  }
  close(command)
  if (number == 0) report(at, "could not be read")
}
function throws(at, first, last,    i) {
  for (i = first; i <= last; ++i)
    if (seen[at, i] !~ /^ *\/\// && seen[at, i] ~ /(^|[^a-z_])(throw [A-Za-z]|throw_if_failed\()/) return 1
  return 0
}
function ask(i,    said, all, reads) {
  read_header(place[i])
  said = words[name[i]]
  all = said " " compound_words " " header_text[place[i]]
  gsub(/`/, "", all); gsub(/\/\/\//, "", all); gsub(/ +/, " ", all)
  if (answers[i] ~ /Status$/ && said !~ names_a_code) report(place[i], entity(i) " does not name its errors")
  reads = arguments[i] ~ from_outside && arguments[i] !~ /noexcept/ && all !~ /[Nn]ever (fails|throws)/
  if ((reads || throws(place[i], first[i], last[i])) && all !~ names_a_code && all !~ names_an_exception)
    report(place[i], entity(i) " does not say what it throws")
  if ((answers[i] ~ owning && answers[i] !~ /[&*]$/ || arguments[i] ~ takes_memory) && all !~ says_memory)
    report(place[i], entity(i) " does not say where its memory comes from")
  if ((answers[i] " " arguments[i]) ~ numbers && all !~ says_shape) report(place[i], entity(i) " does not state a shape")
  if (place[i] ~ has_sources && all !~ names_a_source && all !~ equation) report(place[i], entity(i) " does not state its source")
}
function entity(i) { return kind[i] " " compound "::" name[i] arguments[i] }
function finish(    i) {
  if (compound == "" || hidden) { compound = ""; return }
  if (compound_kind == "namespace") compound_words = ""
  else if (compound_words !~ /[^ ]/) report(compound_place, compound_kind " " compound " has no comment")
  for (i = 1; i <= members; ++i) {
    if (kind[i] == "function" && words[name[i]] ~ /[^ ]/) ask(i)
    else if (words[name[i]] !~ /[^ ]/ && (kind[i] != "variable" || compound_kind == "namespace" || compound_words !~ /[^ ]/))
      report(place[i], entity(i) " has no comment")
  }
  compound = ""
}
BEGIN {
  names_a_code = "bad_(shape|mask|config)|not_(loaded|supported)|overlap|too_small|out_of_memory|[Ee]rrors" \
    "|[Oo]therwise as |[Aa]s [A-Za-z]+(::|_)[a-z]"
  names_an_exception = "Error|[Tt]hrows|std::(invalid_argument|out_of_range)"
  from_outside = "filesystem::path|span< const std::byte >|(string_view|string &) *text( *[,)=])"
  has_sources = "(^|/)(kernels|run|layers|models|generate|io|text|inspect)/"
  names_a_source = "PyTorch|(^|[^A-Za-z])nn[.][A-Z]|Transformers|Hugging Face|NumPy|safetensors|Marian|fast_align|BertViz|ONNX" \
    "|POSIX|UAX [0-9]|W3C|ECMA-[0-9]|RFC [0-9]|FIPS [0-9]|IEEE [0-9]|[A-Z][a-z]+( and [A-Z][a-z]+| et al[.])?,? (19|20)[0-9][0-9]" \
    "|arXiv|[Oo]ur own"
  equation = "[A-Za-z0-9_)\\]] = [^.;:,=\"{}]*([A-Za-z0-9_)\\]|] [-+*/] [A-Za-z0-9(|]|\\^|[a-z]\\()"
  owning = "^(std::)?(vector|string|u32string|Buffer|SharedValues|Tensor|RowMajor)(<|$)|^[A-Za-z0-9]*Result *(<|$)"
  takes_memory = "(Memory|Workspace) [*&]"
  says_memory = "[Aa]llocat|Memory|[Hh]eap|[Oo]wns|[Oo]wned|[Vv]iews?([^A-Za-z]|$)|[Cc]op(y|ies|ied)|[Ss]cratch|[Cc]aller|[Gg]row|(from|through) memory|new (vector|string)"
  numbers = "(^|[^A-Za-z_])(Sequences|Ragged|MatrixView|RowMajor|Tensor|Maps|ScoredMaps|MeanMaps|MapView|Heads)<|Tokens" \
    "|span< (const )?(S|float|double) >|(^|[ (])(S|float|double) [*]|const M &map"
  says_shape = "\\(([BTSEHDFLNKMPV](_[a-z])?|rows|sum of lengths|layers|length|batch|[a-z]+_width)( [*+] [A-Z])?, [^()]*\\)" \
    "|(^|[^A-Za-z])([A-Z]|T_b|S_b|[0-9]+) x ([A-Z]|k|T_b|S_b|[0-9]+)([^A-Za-z]|$)" \
    "|(^|[^A-Za-z_])([A-Z]|[nk]|count|size|length|rows|width|lanes)( or [A-Z]| > 0)? (values|factors|numbers|rows|lengths|offsets|scores|tokens|ids|weights|keys|lanes)"
}
FNR == 1 { finish(); split("", words); members = inside = 0; compound_words = "" }
/<compounddef / {
  hidden = /prot="private"/
  compound_kind = $0; sub(/.* kind="/, "", compound_kind); sub(/".*/, "", compound_kind) }
!inside && /<compoundname>/ { compound = text_of($0); sub(/^ +/, "", compound) }
/<memberdef / {
  inside = 1; this_kind = $0; sub(/.*<memberdef kind="/, "", this_kind); sub(/".*/, "", this_kind)
  public = /prot="public"/; this_words = this_answers = this_name = this_arguments = ""; this_first = 1; this_last = 0
}
inside && /^        <name>/ { this_name = text_of($0); sub(/^ +/, "", this_name) }
inside && /^        <type>/ { this_answers = text_of($0); sub(/^ +/, "", this_answers); sub(/ +$/, "", this_answers) }
inside && /^        <argsstring>/ { this_arguments = text_of($0); sub(/^ +/, "", this_arguments) }
/<(brief|detailed)description>/ { description = 1; described = "" }
description { described = described " " words_of($0) }
/<\/(brief|detailed)description>/ {
  description = 0
  if (!inside) compound_words = compound_words described
  else if (!/^ +<\/enumvalue/) this_words = this_words described
}
/<location / {
  at = $0; sub(/.*<location file="/, "", at); sub(/".*/, "", at)  # its lines are those of the filtered text
  if (!inside) compound_place = at
  else {
    this_place = at
    if (match($0, /bodystart="[0-9]+"/)) this_first = substr($0, RSTART + 11, RLENGTH - 12) + 0
    if (match($0, /bodyend="[0-9]+"/)) this_last = substr($0, RSTART + 9, RLENGTH - 10) + 0
  }
}
/<\/memberdef>/ {
  inside = 0
  plain = compound; sub(/<.*/, "", plain); sub(/.*::/, "", plain)
  sub(/<.*/, "", this_name)
  if (this_arguments !~ /=delete/) words[this_name] = words[this_name] this_words
  if (!public || this_kind == "friend" || this_name ~ /^~/) next
  if (this_name == plain && (this_arguments ~ /^\(\)/ || this_arguments ~ ("^\\((const )?" plain "(< [A-Za-z, ]+ >)? &&?[a-z]*\\)"))) next
  if (this_arguments ~ /detail::/) next
  if (this_arguments ~ /=(default|delete)/ || this_name == "operator=") next
  if (this_arguments ~ /->/ && this_answers !~ /auto/) next  # a deduction guide
  if (this_arguments ~ /->/) { this_answers = this_arguments; sub(/.*-> */, "", this_answers) }
  ++members
  name[members] = this_name; kind[members] = this_kind; place[members] = this_place; arguments[members] = this_arguments
  answers[members] = this_answers; first[members] = this_first; last[members] = this_last
}
END { finish(); exit missing > 0 }
