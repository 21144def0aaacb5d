#include "engine/mapped_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace atelier::engine {
namespace {

constexpr std::size_t kBytes = std::size_t{4} << 20;

// A file of kBytes, mapped whole.
class Mapped {
 public:
  explicit Mapped(int protection = PROT_READ, int kind = MAP_SHARED) {
    std::string name = testing::TempDir() + "mapped_files.XXXXXX";
    const int file = mkstemp(name.data());
    path_ = name;
    const std::string text(kBytes, 'm');
    EXPECT_EQ(write(file, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    data_ = static_cast<char*>(mmap(nullptr, kBytes, protection, kind, file, 0));
    EXPECT_NE(data_, MAP_FAILED);
    close(file);
  }
  ~Mapped() {
    munmap(data_, kBytes);
    std::filesystem::remove(path_);
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;

  const std::filesystem::path& path() const { return path_; }
  char* data() const { return data_; }
  std::size_t read_all() const {
    std::size_t right = 0;
    for (std::size_t i = 0; i < kBytes; i += 512) right += data_[i] == 'm' ? 512 : 0;
    return right;
  }
  // Of the mapping, in this process: "Rss:" of its entry in /proc/self/smaps, in bytes.
  std::size_t resident() const {
    std::ifstream smaps("/proc/self/smaps");
    std::string line;
    bool ours = false;
    while (std::getline(smaps, line)) {
      if (line.find(path_.string()) != std::string::npos) ours = true;
      if (ours && line.starts_with("Rss:")) return std::stoul(line.substr(4)) * 1024;
    }
    ADD_FAILURE() << "no mapping of " << path_;
    return 0;
  }

 private:
  std::filesystem::path path_;
  char* data_ = nullptr;
};

TEST(MappedFiles, PagesThatWereReadAreGivenUpAndCanBeReadAgain) {
  const Mapped file;
  const Mapped other;
  EXPECT_EQ(file.read_all(), kBytes);
  EXPECT_EQ(other.read_all(), kBytes);
  EXPECT_EQ(file.resident(), kBytes);
  EXPECT_EQ(give_up_mapped_pages({file.path(), "/nowhere/at/all.gguf"}), kBytes);
  EXPECT_EQ(file.resident(), 0U);
  EXPECT_EQ(other.resident(), kBytes) << "another file's pages were given up";
  EXPECT_EQ(file.read_all(), kBytes);
}

TEST(MappedFiles, WhatMayHaveBeenWrittenStays) {
  const Mapped file(PROT_READ | PROT_WRITE, MAP_PRIVATE);
  file.data()[0] = 'x';
  EXPECT_EQ(give_up_mapped_pages({file.path()}), 0U);
  EXPECT_EQ(file.data()[0], 'x');
}

TEST(MappedFiles, NothingIsMapped) { EXPECT_EQ(give_up_mapped_pages({"/proc/self/exe.gguf"}), 0U); }

}  // namespace
}  // namespace atelier::engine
