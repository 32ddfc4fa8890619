#include "tests/integration/support/temp_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>

namespace shift::testing {

TempDir::TempDir() {
    const char* parent = std::getenv("TMPDIR");
    std::string pattern =
        (parent == nullptr || *parent == '\0' ? std::string("/tmp") : parent) + "/shXXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw std::runtime_error("mkdtemp " + pattern + " failed");
    }
    path_ = pattern;
}

TempDir::~TempDir() {
    if (keep_ || ::testing::Test::HasFailure() || std::getenv("SHIFT_KEEP") != nullptr) {
        std::cerr << "kept: " << path_ << "\n";
        return;
    }
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string tail_file(const std::string& path, int lines) {
    std::ifstream in(path);
    if (!in) {
        return "(no file " + path + ")\n";
    }
    std::deque<std::string> last;
    std::string line;
    while (std::getline(in, line)) {
        last.push_back(line.substr(0, 2000));
        if (static_cast<int>(last.size()) > lines) {
            last.pop_front();
        }
    }
    std::string text;
    for (const std::string& one : last) {
        text += one + "\n";
    }
    return text;
}

std::string slurp(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

void spit(const std::string& path, const std::string& text, unsigned mode) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    if (!out) {
        throw std::runtime_error("cannot write " + path);
    }
    ::chmod(path.c_str(), mode);
}

}  // namespace shift::testing
