# The blocks of commands in pages, ```sh and indented ones: awk -f commands.awk -v into=FOLDER PAGE...     Rules: see check.sh.
# Writes each into a file of FOLDER, behind what readers do not see of it, and prints "FILE PAGE:LINE PAGE FIRST_LINE".
function finish(    file) {
  if (block == "") return
  file = into "/" ++blocks ".sh"
  printf "%s%s", hidden, block >file
  close(file)
  print file "\t" page ":" line "\t" page "\t" first
  hidden = block = ""
}
function add(text) {
  if (block == "") { page = FILENAME; line = FNR; first = text }
  block = block text "\n"
}
FNR == 1 { finish(); info = ""; fence = hiding = code = 0 }
(hiding || code) && /^-->/ { hiding = code = 0; next }
code { next }
/^<!-- cpp$/ { code = 1; next }
hiding { hidden = hidden $0 "\n"; next }
/^<!-- sh$/ { hiding = 1; next }
fence && /^ *```$/ { if (info == "sh") finish(); fence = 0; next }
fence { if (info == "sh") add($0); next }
/^ *```/ { finish(); fence = 1; info = $0; sub(/^ *```/, "", info); next }
/^    [^ ]/ { add(substr($0, 5)); next }
/[^ ]/ { finish() }
END { finish() }
