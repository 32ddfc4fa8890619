#include "worker/osc/osc_tool.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/file.h"

namespace shift {
namespace {

std::string recorded(const std::string& name) {
    return read_file(std::string(SHIFT_SOURCE_ROOT) + "/tests/data/pt-osc/3.2.1/" + name, 1'000'000)
        .value();
}

TEST(OscTool, Debians321IsStockWithPlugin) {
    const OscTool tool = parse_osc_tool(recorded("version.out"), recorded("help.out"));
    EXPECT_EQ(tool.version, "3.2.1");
    EXPECT_TRUE(tool.has_keep_options);
    EXPECT_TRUE(tool.has_pause_file);
    EXPECT_FALSE(tool.has_native_resume);
    EXPECT_EQ(tool.flavour("auto"), OscFlavour::kStock);
    EXPECT_EQ(tool.flavour("stock"), OscFlavour::kStock);
    EXPECT_EQ(tool.flavour("square"), OscFlavour::kUnusable);
    EXPECT_EQ(tool.trouble, "");
}

TEST(OscTool, FeaturesAndNotNumbersTellFlavours) {
    const std::string keep =
        "  --[no]swap-tables  x\n  --[no]drop-new-table\n  --[no]drop-triggers\n"
        "  --new-table-name=s  x\n";
    const std::string version = "pt-online-schema-change 2.2.14\n";
    EXPECT_EQ(parse_osc_tool(version, keep).flavour("auto"), OscFlavour::kBasic);
    EXPECT_EQ(parse_osc_tool(version, keep + "  --plugin=s\n").flavour("auto"), OscFlavour::kStock);
    const std::string patched =
        keep + "  --plugin=s\n  --save-state=s\n  --load-state=s\n  --exit-at=s\n";
    EXPECT_EQ(parse_osc_tool(version, patched).flavour("auto"), OscFlavour::kSquare);
    EXPECT_EQ(parse_osc_tool(version, patched).flavour("stock"), OscFlavour::kStock);
    EXPECT_TRUE(parse_osc_tool(version, keep + "  --history\n  --resume=i\n").has_native_resume);
}

TEST(OscTool, WhatDoesNotAnswerIsUnusableAndSaysWhy) {
    const OscTool tool = parse_osc_tool("Can't locate DBI.pm in @INC\n", "Can't locate DBI.pm\n");
    EXPECT_EQ(tool.flavour("auto"), OscFlavour::kUnusable);
    EXPECT_EQ(tool.trouble, "Can't locate DBI.pm in @INC");
    EXPECT_NE(parse_osc_tool("", "").trouble, "");
}

}  // namespace
}  // namespace shift
