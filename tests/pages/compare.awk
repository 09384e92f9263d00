# What blocks printed beside what their pages say: awk -f compare.awk OUTPUT PAGE...     Rules: see check.sh.
# Also runs the commands of ```console blocks, in the current folder.
function trimmed(line) { sub(/[ \t\r]+$/, "", line); return line }
function normal(text,    lines, n, i, out) {
  n = split(text, lines, "\n")
  for (i = 1; i <= n; ++i) out = out trimmed(lines[i]) "\n"
  sub(/\n+$/, "\n", out)
  return out
}
# The same words; numbers with a point may differ by one in the last digit that the page shows, as other machines round otherwise.
function same_line(wanted, got,    w, g, n, i, unit) {
  if (wanted == got) return 1
  n = split(wanted, w, " ")
  if (split(got, g, " ") != n) return 0
  for (i = 1; i <= n; ++i) {
    if (w[i] == g[i]) continue
    if (w[i] !~ /^-?[0-9]*[.][0-9]+,?$/ || g[i] !~ /^-?[0-9]*[.]?[0-9]+,?$/) return 0
    unit = w[i]
    sub(/,$/, "", unit); sub(/^-?[0-9]*[.]/, "", unit)
    unit = 10 ^ -length(unit)
    if (w[i] - g[i] > 1.01 * unit || g[i] - w[i] > 1.01 * unit) return 0
  }
  return 1
}
# `...` alone on a line stands for any lines.
function matches(wanted, got, i, j,    w, g, n, m) {
  n = split(wanted, w, "\n") - 1
  m = split(got, g, "\n") - 1
  i = j = 1
  while (i <= n) {
    if (w[i] == "...") {
      if (i == n) return 1
      while (j <= m && !same_line(w[i + 1], g[j])) ++j
      if (j > m) return 0
      ++i
      continue
    }
    if (j > m || !same_line(w[i], g[j])) return 0
    ++i; ++j
  }
  return j > m
}
function compare(place, wanted, got) {
  ++compared
  wanted = normal(wanted); got = normal(got)
  if (matches(wanted, got)) return
  print "FAILED " place "\n--- the page says\n" wanted "--- it prints\n" got
  failed = 1
}
function run(command,    line, text) {
  command = "{ " command "; } 2>/dev/null </dev/null"
  while ((command | getline line) > 0) text = text line "\n"
  close(command)
  return text
}
function finish_console() {
  if (command != "") compare(FILENAME ":" command_line ": " command, expected, run(command))
  command = expected = ""
}
FNR == 1 { ++file; fence = 0; after = "" }
file == 1 { if (sub(/^\035/, "")) place = $0; else printed[place] = printed[place] $0 "\n"; next }
fence && /^ *```$/ {
  if (info == "text" && after != "") compare(after, block, printed[after])
  if (info == "console") finish_console()
  fence = 0
  after = info == "cpp" ? FILENAME ":" line : ""
  next
}
fence && info == "console" {
  if (sub(/^\$ /, "")) { finish_console(); command = $0; command_line = FNR }
  else if (command ~ /\\$/ && expected == "") { sub(/\\$/, "", command); command = command $0 }
  else expected = expected $0 "\n"
  next
}
fence { block = block $0 "\n"; next }
/^ *```/ { fence = 1; info = $0; sub(/^ *```/, "", info); line = FNR; block = ""; next }
/[^ ]/ { after = "" }
END { print compared + 0 " outputs compared"; exit failed || compared == 0 }
