#include "cli/format.h"

#include <gtest/gtest.h>

#include "cli/console.h"
#include "cli/table.h"

namespace atelier::cli {
namespace {

TEST(FormatBytes, PowersOfAThousandWithTwoDecimals) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.00 KB");
  EXPECT_EQ(format_bytes(84'106'624), "84.11 MB");
  EXPECT_EQ(format_bytes(4'920'734'272), "4.92 GB");
  EXPECT_EQ(format_bytes(65'680'000'000), "65.68 GB");
  EXPECT_EQ(format_bytes(999'994), "999.99 KB");
  EXPECT_EQ(format_bytes(999'996), "1.00 MB");
  EXPECT_EQ(format_bytes(2'500'000'000'000), "2.50 TB");
}

TEST(FormatElapsed, UnitsGrowWithTheTime) {
  using std::chrono::duration;
  EXPECT_EQ(format_elapsed(duration<double>(0)), "0.00ms");
  EXPECT_EQ(format_elapsed(duration<double>(0.85)), "850.00ms");
  EXPECT_EQ(format_elapsed(duration<double>(0.999999)), "1.00s");
  EXPECT_EQ(format_elapsed(duration<double>(9.099)), "9.10s");
  EXPECT_EQ(format_elapsed(duration<double>(59.999)), "1m 0.00s");
  EXPECT_EQ(format_elapsed(duration<double>(123.45)), "2m 3.45s");
  EXPECT_EQ(format_elapsed(duration<double>(3723.45)), "1h 2m 3.45s");
  EXPECT_EQ(format_elapsed(duration<double>(-1)), "0.00ms");
}

TEST(FormatShortTime, KeepsTheLargestUnits) {
  using std::chrono::seconds;
  EXPECT_EQ(format_short_time(seconds(30)), "30s");
  EXPECT_EQ(format_short_time(seconds(60)), "1m");
  EXPECT_EQ(format_short_time(seconds(3599)), "59m");
  EXPECT_EQ(format_short_time(seconds(3600)), "1h");
  EXPECT_EQ(format_short_time(seconds(5400)), "1h 30m");
}

TEST(FormatCount, GroupsThousands) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(16384), "16,384");
  EXPECT_EQ(format_count(1234567), "1,234,567");
  EXPECT_EQ(format_count(-4096), "-4,096");
}

TEST(Architecture, KnownNamesArePrettyAndOthersStay) {
  EXPECT_EQ(pretty_architecture("llama"), "Llama");
  EXPECT_EQ(pretty_architecture("qwen2"), "Qwen2");
  EXPECT_EQ(pretty_architecture("gemma2"), "Gemma 2");
  EXPECT_EQ(pretty_architecture("phi3"), "Phi-3");
  EXPECT_EQ(pretty_architecture("nomic-bert"), "Nomic BERT");
  EXPECT_EQ(pretty_architecture("qwen3"), "qwen3");
  EXPECT_EQ(pretty_architecture(""), "");
}

TEST(Status, IsOneWordInBothForms) {
  EXPECT_EQ(status_label("idle"), "IDLE");
  EXPECT_EQ(status_label("processing_prompt"), "PROCESSINGPROMPT");
  EXPECT_EQ(status_label("processingPrompt"), "PROCESSINGPROMPT");
  EXPECT_EQ(status_label(""), "IDLE");
  EXPECT_EQ(status_word("processing_prompt"), "processingPrompt");
  EXPECT_EQ(status_word("processingPrompt"), "processingPrompt");
  EXPECT_EQ(status_word("computing-embedding"), "computingEmbedding");
}

TEST(Width, CountsColumnsNotBytes) {
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("✓ größe"), 7u);
  EXPECT_EQ(display_width("模型"), 4u);
  EXPECT_EQ(display_width("e\xCC\x81"), 1u);  // e and a combining accent
  EXPECT_EQ(display_width("\x1b[31mred\x1b[0m"), 3u);
  EXPECT_EQ(fit_width("abcdef", 6), "abcdef");
  EXPECT_EQ(fit_width("abcdefg", 6), "abcde…");
  EXPECT_EQ(fit_width("模型模型", 4), "模…");
  EXPECT_EQ(fit_width("abc", 0), "");
}

TEST(Printable, LeavesOutWhatCouldDriveTheTerminal) {
  EXPECT_EQ(printable("a\x1b[31mb\rc\x07\x7f"), "a[31mbc");
  EXPECT_EQ(printable("two\n\tlines ü"), "two\n\tlines ü");
  EXPECT_EQ(printable("\xC2\x9B"
                      "31m"),
            "31m");  // a C1 control, the one-character form of ESC [
}

TEST(Table, AlignsColumnsFourSpacesApart) {
  Table table({"LLM", "PARAMS", "SIZE"});
  table.add_row({"größe", "8B", "4.92 GB", "✓ LOADED"});
  table.add_row({"模型/x", "", "512 B"});
  table.add_row({"z"});
  EXPECT_EQ(table.render(false),
            "LLM       PARAMS    SIZE\n"
            "größe     8B        4.92 GB    ✓ LOADED\n"
            "模型/x              512 B\n"
            "z\n");
}

TEST(Table, HeadingsAreDimWhereColourIsOn) {
  Table table({"A"});
  EXPECT_EQ(table.render(true), "\x1b[2mA\x1b[0m\n");
}

TEST(ProgressBar, FillsInEighths) {
  EXPECT_EQ(progress_bar(0, 4), "[    ]");
  EXPECT_EQ(progress_bar(0.5, 4), "[██  ]");
  EXPECT_EQ(progress_bar(0.53125, 4), "[██▏ ]");
  EXPECT_EQ(progress_bar(1, 4), "[████]");
  EXPECT_EQ(progress_bar(7, 4), "[████]");
  EXPECT_EQ(progress_bar(-1, 4), "[    ]");
}

}  // namespace
}  // namespace atelier::cli
