// The disk cache of device binaries: what it keeps, and above all what it does not trust.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "backend/xpu/binary_cache.h"

namespace fs = std::filesystem;
using xpu_lite::xpu::BinaryCache;

namespace {

constexpr size_t kLimit = 1 << 20;

std::vector<char> binary(size_t size, int seed = 1) {
  std::vector<char> data(size);
  for (size_t i = 0; i < size; ++i) data[i] = static_cast<char>(i * 31 + seed * 7 + i / 251);
  return data;
}

class BinaryCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    base_ = (fs::temp_directory_path() / "xpu_lite_cacheXXXXXX").string();
    ASSERT_NE(mkdtemp(base_.data()), nullptr);
    folder_ = base_ + "/a/b";
  }
  void TearDown() override { fs::remove_all(base_); }

  std::string entry(const std::string& key) { return folder_ + "/" + BinaryCache::file_name(key); }
  std::string read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }

  std::string base_, folder_;
};

} // namespace

TEST_F(BinaryCacheTest, KeepsWhatWasStored) {
  {
    BinaryCache cache(folder_, kLimit);
    EXPECT_TRUE(cache.usable());
    EXPECT_TRUE(cache.load("key").empty());
    cache.store("key", binary(5000));
  }
  BinaryCache cache(folder_, kLimit);
  EXPECT_EQ(cache.load("key"), binary(5000));
  EXPECT_TRUE(cache.load("kez").empty());
  cache.store("key", binary(100, 2)); // replaced
  EXPECT_EQ(cache.load("key"), binary(100, 2));
}

TEST_F(BinaryCacheTest, FoldersAndFilesArePrivate) {
  umask(0);
  BinaryCache cache(folder_, kLimit);
  cache.store("key", binary(10));
  struct stat state{};
  ASSERT_EQ(stat(folder_.c_str(), &state), 0);
  EXPECT_EQ(state.st_mode & 0777, 0700u);
  ASSERT_EQ(stat((base_ + "/a").c_str(), &state), 0);
  EXPECT_EQ(state.st_mode & 0777, 0700u);
  ASSERT_EQ(stat(entry("key").c_str(), &state), 0);
  EXPECT_EQ(state.st_mode & 0777, 0600u);
}

TEST_F(BinaryCacheTest, EveryDamagedByteIsFound) {
  BinaryCache cache(folder_, kLimit);
  cache.store("the key", binary(64));
  const std::string good = read(entry("the key"));
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x20);
    write(entry("the key"), bad);
    EXPECT_TRUE(cache.load("the key").empty()) << "byte " << i;
  }
  cache.store("the key", binary(64)); // rewritten
  EXPECT_EQ(cache.load("the key"), binary(64));
}

TEST_F(BinaryCacheTest, EveryOtherLengthIsFound) {
  BinaryCache cache(folder_, kLimit);
  cache.store("key", binary(64));
  const std::string good = read(entry("key"));
  for (size_t length = 0; length < good.size(); ++length) {
    write(entry("key"), good.substr(0, length));
    EXPECT_TRUE(cache.load("key").empty()) << length << " bytes";
  }
  write(entry("key"), good + "x");
  EXPECT_TRUE(cache.load("key").empty());
  write(entry("key"), good);
  EXPECT_EQ(cache.load("key"), binary(64));
}

TEST_F(BinaryCacheTest, AnEntryOfAnotherKeyIsForeign) {
  BinaryCache cache(folder_, kLimit);
  cache.store("driver 1", binary(64));
  fs::copy_file(entry("driver 1"), entry("driver 2"));
  EXPECT_TRUE(cache.load("driver 2").empty());
}

TEST_F(BinaryCacheTest, OnlyPlainFilesOfOursCount) {
  BinaryCache cache(folder_, kLimit);
  cache.store("key", binary(64));
  fs::rename(entry("key"), base_ + "/elsewhere");
  fs::create_symlink(base_ + "/elsewhere", entry("key"));
  EXPECT_TRUE(cache.load("key").empty()) << "a link";
  cache.store("key", binary(64, 3)); // replaces the link, not what it leads to
  EXPECT_EQ(cache.load("key"), binary(64, 3));
  EXPECT_FALSE(fs::is_symlink(entry("key")));
  chmod(entry("key").c_str(), 0666);
  EXPECT_TRUE(cache.load("key").empty()) << "others could have written it";
  fs::remove(entry("key"));
  ASSERT_EQ(mkfifo(entry("key").c_str(), 0600), 0);
  EXPECT_TRUE(cache.load("key").empty()) << "a pipe: must not block either";
  fs::remove(entry("key"));
  fs::create_directory(entry("key"));
  EXPECT_TRUE(cache.load("key").empty()) << "a folder";
  if (geteuid() == 0) {
    fs::remove(entry("key"));
    cache.store("key", binary(64));
    ASSERT_EQ(chown(entry("key").c_str(), 65534, 65534), 0);
    EXPECT_TRUE(cache.load("key").empty()) << "another user's";
  }
}

TEST_F(BinaryCacheTest, AFolderThatOthersMayWriteIsRefused) {
  fs::create_directories(folder_);
  for (mode_t mode : {0777, 0722, 01777, 0770}) {
    ASSERT_EQ(chmod(folder_.c_str(), mode), 0);
    testing::internal::CaptureStderr();
    BinaryCache cache(folder_, kLimit);
    const std::string warning = testing::internal::GetCapturedStderr();
    EXPECT_FALSE(cache.usable());
    EXPECT_NE(warning.find(folder_), std::string::npos) << warning;
    EXPECT_NE(warning.find("chmod 700"), std::string::npos) << warning;
    cache.store("key", binary(10));
    EXPECT_TRUE(cache.load("key").empty());
    EXPECT_TRUE(fs::is_empty(folder_));
  }
  ASSERT_EQ(chmod(folder_.c_str(), 0755), 0);
  EXPECT_TRUE(BinaryCache(folder_, kLimit).usable());
}

TEST_F(BinaryCacheTest, AFolderOfAnotherUserIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a folder away";
  fs::create_directories(folder_);
  ASSERT_EQ(chown(folder_.c_str(), 65534, 65534), 0);
  EXPECT_FALSE(BinaryCache(folder_, kLimit).usable());
}

TEST_F(BinaryCacheTest, AFolderThatCannotBeMadeIsNotUsed) {
  write(base_ + "/file", "x");
  testing::internal::CaptureStderr();
  BinaryCache cache(base_ + "/file/cache", kLimit);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("/file/cache"), std::string::npos);
  EXPECT_FALSE(cache.usable());
  cache.store("key", binary(10));
  EXPECT_TRUE(cache.load("key").empty());
}

TEST_F(BinaryCacheTest, AFullDiskLeavesNothingBehind) {
  std::signal(SIGXFSZ, SIG_IGN);
  BinaryCache cache(folder_, kLimit);
  rlimit old{}, small{};
  getrlimit(RLIMIT_FSIZE, &old);
  small = old;
  small.rlim_cur = 4096; // a write beyond this fails in the middle of the file
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  testing::internal::CaptureStderr();
  cache.store("key", binary(100000));
  cache.store("kez", binary(100000));
  const std::string warning = testing::internal::GetCapturedStderr();
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_TRUE(cache.load("key").empty());
  EXPECT_TRUE(fs::is_empty(folder_));
  EXPECT_NE(warning.find(folder_), std::string::npos) << warning;
  EXPECT_EQ(warning.find("warning"), warning.rfind("warning")) << "said once: " << warning;
}

TEST_F(BinaryCacheTest, NothingIsKeptWithoutAFolderOrALimit) {
  BinaryCache none("", kLimit), zero(folder_, 0);
  EXPECT_FALSE(none.usable());
  EXPECT_FALSE(zero.usable());
  EXPECT_FALSE(fs::exists(folder_));
}

TEST_F(BinaryCacheTest, WhatWasNotUsedForLongestGoes) {
  constexpr size_t limit = 100000;
  {
    BinaryCache cache(folder_, kLimit);
    for (int i = 0; i < 15; ++i) cache.store(std::to_string(i), binary(10000));
  }
  timespec times[2] = {{}, {}};
  for (int i = 0; i < 15; ++i) {
    times[0].tv_sec = times[1].tv_sec = 1000000 + i;
    ASSERT_EQ(utimensat(AT_FDCWD, entry(std::to_string(i)).c_str(), times, 0), 0);
  }
  write(folder_ + "/left.tmp", "x");
  ASSERT_EQ(utimensat(AT_FDCWD, (folder_ + "/left.tmp").c_str(), times, 0), 0);
  write(folder_ + "/not ours", std::string(200000, 'x'));
  BinaryCache cache(folder_, limit);
  EXPECT_FALSE(cache.load("0").empty()); // a use makes it young
  for (int i = 0; i < 64; ++i) cache.store("new", binary(1000, i)); // it looks now and then
  EXPECT_FALSE(cache.load("0").empty());
  EXPECT_FALSE(cache.load("14").empty());
  EXPECT_TRUE(cache.load("1").empty());
  EXPECT_FALSE(fs::exists(folder_ + "/left.tmp"));
  EXPECT_TRUE(fs::exists(folder_ + "/not ours"));
  size_t total = 0;
  for (auto& file : fs::directory_iterator(folder_))
    if (file.path().extension() == ".bin") total += file.file_size();
  EXPECT_LE(total, limit);
}

TEST_F(BinaryCacheTest, ThreadsAndCachesAtOnce) {
  BinaryCache one(folder_, kLimit), two(folder_, kLimit);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      BinaryCache& cache = t % 2 ? one : two;
      for (int i = 0; i < 200; ++i) {
        const std::string key = std::to_string(i % 5);
        cache.store(key, binary(2000, i % 5));
        auto found = cache.load(key);
        if (!found.empty() && found != binary(2000, i % 5)) ++wrong;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(one.load(std::to_string(i)), binary(2000, i));
}
