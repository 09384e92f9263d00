#include <doctest/doctest.h>

#include <limits>
#include <vitrine/inspect/csv.hpp>

using vitrine::Index;
using vitrine::inspect::CsvRow;

TEST_CASE("csv: fields are quoted where they must be, and numbers come back as the float they were") {
  CsvRow row;
  row.add("plain").add("a, \"b\"").add("two\nlines").add(0.5).add(Index{-3}).add_empty();
  CHECK(row.take() == "plain,\"a, \"\"b\"\"\",\"two\nlines\",0.5,-3,\n");
  CHECK(row.add(static_cast<double>(0.1f)).add(1e-30).add(std::numeric_limits<double>::quiet_NaN()).add(1.0).take() ==
        "0.100000001,1e-30,,1\n");
  CHECK(row.take() == "\n");
  // Each of what must be quoted, alone: a lone CR ends a row for a reader, too.
  CHECK(row.add("a\rb").add("a\nb").add("a,b").add("a\"b").add("\r").take() ==
        "\"a\rb\",\"a\nb\",\"a,b\",\"a\"\"b\",\"\r\"\n");
  CHECK(row.add_empty().add_empty().add_empty().take() == ",,\n");
}
