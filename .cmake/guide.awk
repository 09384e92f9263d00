# Makes a page of the guide, GitHub's Markdown, Doxygen's: awk -v root=FOLDER -f guide.awk PAGE; docs.sh runs it for each.
# Headings get the names that GitHub gives them behind the page's own; links lead to pages, to headers of the reference, or to
# the file's copy under files/. What readers do not see is left out.
function page_id(path) { sub(/[.]md$/, "", path); gsub(/[^A-Za-z0-9]/, "_", path); return "guide_" path }
function resolved(path,    n, i, parts, out) {  # relative to the repository, of one that is relative to the page
  path = folder path
  n = split(path, parts, "/")
  for (i = 1; i <= n; ++i) {
    if (parts[i] == "..") { if (!sub(/\/?[^\/]*$/, "", out)) out = "" }
    else if (parts[i] != "." && parts[i] != "") out = out (out == "" ? "" : "/") parts[i]
  }
  return out
}
function is(kind, path) { return system("test -" kind " \"" root "/" path "\"") == 0 }
function target(link,    file, anchor) {
  if (link ~ /^(https?|mailto):/) return link
  file = link
  sub(/#.*$/, "", file)
  anchor = substr(link, length(file) + 2)
  file = file == "" ? page : resolved(file)
  if (file !~ /[.][a-z]+$/ && is("d", file)) {
    if (!is("f", file "/README.md")) { print file >>copied; return "files/" file "/index.html" }
    file = file "/README.md"
  }
  if (file ~ /[.]md$/) return "@ref " page_id(file) (anchor == "" ? "" : "_" anchor)
  if (file ~ /^include\/.*[.]hpp$/) { sub(/^include\//, "", file); return "@ref " file }
  print file >>copied
  return "files/" file
}
function prose(text,    out, alt, link) {  # outside of code: links, images, signs that are commands for Doxygen
  gsub(/@/, "\\@", text)
  while (match(text, /!?\[[^]]*\]\([^)]*\)/)) {
    out = out substr(text, 1, RSTART - 1)
    alt = substr(text, RSTART, RLENGTH)
    text = substr(text, RSTART + RLENGTH)
    link = alt
    sub(/^!?\[[^]]*\]\(/, "", link); sub(/\)$/, "", link)
    if (alt ~ /^!/) {
      sub(/^!\[/, "", alt); sub(/\]\([^)]*\)$/, "", alt); gsub(/"/, "\\&quot;", alt)
      out = out "<img src=\"" target(link) "\" alt=\"" alt "\" style=\"max-width: 100%\">"
    } else {
      sub(/\([^)]*\)$/, "", alt)
      out = out alt "(" target(link) ")"
    }
  }
  return out text
}
function line_of(text,    n, i, parts, out, code) {  # links may hold code, code may not hold links
  if (text !~ /`/) return prose(text)
  n = split(text, parts, "`")
  for (i = 2; i <= n; i += 2) { code[i] = parts[i]; parts[i] = "\001" i "\001" }
  for (i = 1; i <= n; ++i) out = out parts[i]
  out = prose(out)
  for (i = 2; i <= n; i += 2) {
    gsub(/\\/, "\\\\", code[i]); gsub(/&/, "\\\\&", code[i])
    sub("\001" i "\001", "`" code[i] "`", out)
  }
  return out
}
FNR == 1 {
  page = FILENAME
  if (index(page, root "/") == 1) page = substr(page, length(root) + 2)
  folder = page
  if (!sub(/[^\/]*$/, "", folder)) folder = ""
}
hidden { if (/^-->/) hidden = 0; next }
/^<!-- (cpp|sh)$/ { hidden = 1; next }
fence { print; if (/^ *```$/) fence = 0; next }
/^ *```/ { fence = 1; print; next }
/^    [^ ]/ { print; next }
/^#+ / {
  heading = tolower($0)
  sub(/^#+ +/, "", heading); gsub(/`/, "", heading); gsub(/[^a-z0-9 _-]/, "", heading); gsub(/ /, "-", heading)
  print line_of($0) " {#" page_id(page) (/^# / ? "" : "_" heading) "}"
  next
}
held != "" { $0 = held " " $0; held = "" }
/\[[^]]*$|\]\([^)]*$/ && /[^ ]/ && !/^\|/ { held = $0; next }  # a link goes on with the next line
{ print line_of($0) }
END { if (held != "") print line_of(held) }
