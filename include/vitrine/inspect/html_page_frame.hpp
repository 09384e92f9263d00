// The HTML page around its data: head with the content security policy (W3C), elements, data, script. The
// pieces are in html_page/.
#pragma once
#include <string>
#include <string_view>
#include <vitrine/core/config.hpp>
#include <vitrine/inspect/encode.hpp>
#include <vitrine/inspect/html_page/body.hpp>
#include <vitrine/inspect/html_page/script_events.hpp>
#include <vitrine/inspect/html_page/script_export.hpp>
#include <vitrine/inspect/html_page/script_heatmap.hpp>
#include <vitrine/inspect/html_page/script_lines.hpp>
#include <vitrine/inspect/html_page/script_maps.hpp>
#include <vitrine/inspect/html_page/script_overview.hpp>
#include <vitrine/inspect/html_page/script_search.hpp>
#include <vitrine/inspect/html_page/script_sentence.hpp>
#include <vitrine/inspect/html_page/script_texts.hpp>
#include <vitrine/inspect/html_page/style.hpp>
#include <vitrine/inspect/ramp.hpp>
#include <vitrine/inspect/text.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect::html_page {

/// The whole file, a string on the heap. `json` is the description, safe inside <script>; `maps` the bytes of all maps
/// in base 85. Any bytes may stand in `title`.
inline std::string assemble(std::string_view title, Theme theme, std::string_view json, std::string_view maps) {
  std::string script;
  for (const std::string_view part : {script_maps, script_heatmap, script_lines, script_overview, script_sentence,
                                      script_texts, script_export, script_search, script_events})
    script += part;
  const std::string_view start_theme = theme == Theme::dark    ? " data-theme=\"dark\""
                                       : theme == Theme::light ? " data-theme=\"light\""
                                                               : "";
  std::string out;
  out.reserve(json.size() + maps.size() + script.size() + 32768);
  const auto add = [&](auto... parts) { (out.append(parts), ...); };
  add("<!doctype html>\n<html lang=\"en\"", start_theme, ">\n<head>\n<meta charset=\"utf-8\">\n");
  // Only this very script and style are allowed, and nothing may be fetched.
  add("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src '", policy_hash(script),
      "'; style-src '", policy_hash(style), "'; img-src data:; base-uri 'none'; form-action 'none'\">\n");
  add("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" "
      "content=\"light dark\">\n");
  add("<link rel=\"icon\" href=\"data:,\">\n<title>", xml_text(title), "</title>\n<style>", style,
      "</style>\n</head>\n<body>");
  add(body, "<script type=\"application/json\" id=\"data\">", json,
      "</script>\n<script type=\"text/plain\" id=\"maps\">", maps, "</script>\n<script>", script,
      "</script>\n</body>\n</html>\n");
  return out;
}

}  // namespace vitrine::inline VITRINE_ABI::inspect::html_page

#include <vitrine/core/macros_pop.hpp>
