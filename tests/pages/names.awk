# Prints "PAGE LINE KIND NAME" for every file, program, target, header and link that pages name: see check.sh.
function emit(kind, name) { print FILENAME "\t" FNR "\t" kind "\t" name }
function code(text,    rest, word) {
  rest = text
  while (text ~ /cmake/ && match(rest, /--target [a-z_0-9]+/)) { emit("target", substr(rest, RSTART + 9, RLENGTH - 9)); rest = substr(rest, RSTART + RLENGTH) }
  rest = text
  while (match(rest, /--preset [a-z_0-9-]+/)) { emit("preset", substr(rest, RSTART + 9, RLENGTH - 9)); rest = substr(rest, RSTART + RLENGTH) }
  rest = text
  while (match(rest, /[A-Za-z0-9_.\/-]+/)) {
    word = substr(rest, RSTART, RLENGTH)
    rest = substr(rest, RSTART + RLENGTH)
    sub(/[.]+$/, "", word)
    if (word ~ /^build\/(examples|tests|bench)\/./) emit("program", word)
    else if (word ~ /^vitrine\/.*[.]hpp$/) emit("file", "include/" word)
    else if (word ~ /^(examples|tests|bench|include|[.]ci|[.]cmake)\/./ && word !~ /[A-Z]+[.](hpp|cpp)$|\/(NAME|TIER)/) emit("file", word)
  }
}
FNR == 1 { fence = hidden = 0 }
/^<!-- (cpp|sh)$/ { hidden = 1 }
hidden { if (/^-->/) hidden = 0; else code($0); next }
/^ *(```|~~~)/ {
  if (!fence && $0 !~ /^```(cpp|text|console|python|sh)$/) emit("kind of block", $0)
  fence = !fence
  next
}
fence || /^    [^ ]/ { code($0); next }
/^#+ / {
  heading = tolower($0)
  sub(/^#+ +/, "", heading); gsub(/`/, "", heading); gsub(/[^a-z0-9 _-]/, "", heading); gsub(/ /, "-", heading)
  emit("heading", heading)
}
{
  rest = $0
  while (match(rest, /\]\([^)]*\)/)) { emit("link", substr(rest, RSTART + 2, RLENGTH - 3)); rest = substr(rest, RSTART + RLENGTH) }
  rest = $0
  while (match(rest, /`[^`]*`/)) { span = substr(rest, RSTART + 1, RLENGTH - 2); rest = substr(rest, RSTART + RLENGTH); code(span) }
}
