// What every FileSystem does, asked of the real one and of the simulated one.

#include "platform/file_system.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "platform/entropy.h"
#include "platform/process.h"
#include "platform/sim_file_system.h"

namespace strata {
namespace {

// A directory that is empty at first and gone at last.
struct Sandbox {
  FileSystem* fs;
  std::string root;
  std::unique_ptr<SimFileSystem> owned;

  std::string operator/(std::string_view name) const { return root + "/" + std::string(name); }
};

void remove_tree(FileSystem& fs, const std::string& path) {
  auto names = fs.list(path);
  if (!names) return;
  for (const std::string& name : *names) {
    std::string child = path + "/" + name;
    if (!fs.remove(child)) remove_tree(fs, child);
  }
  (void)fs.remove_directory(path);
}

class FileSystemTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string_view(GetParam()) == "simulated") {
      box_.owned = std::make_unique<SimFileSystem>();
      box_.fs = box_.owned.get();
      box_.root = "/sandbox";
    } else {
      box_.fs = &real_file_system();
      box_.root = "/tmp/strata_platform_" + std::to_string(process_id()) + "_" + std::to_string(random_u64());
    }
    ASSERT_TRUE(box_.fs->create_directory(box_.root));
  }
  void TearDown() override { remove_tree(*box_.fs, box_.root); }

  FileSystem& fs() { return *box_.fs; }
  std::string contents(std::string_view name) {
    auto text = read_whole_file(fs(), box_ / name, 1 << 20);
    return text ? *text : std::string("<") + error_name(text.error().code) + ">";
  }
  void put(std::string_view name, Bytes bytes) {
    auto file = fs().open(box_ / name, OpenMode::kTruncate);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->append(bytes));
  }

  Sandbox box_;
};

TEST_P(FileSystemTest, OpenModes) {
  std::string path = box_ / "f";
  EXPECT_EQ(fs().open(path, OpenMode::kRead).error().code, Errc::kNotFound);
  EXPECT_EQ(fs().open(path, OpenMode::kReadWrite).error().code, Errc::kNotFound);
  EXPECT_TRUE(fs().open(path, OpenMode::kCreate));
  EXPECT_EQ(fs().open(path, OpenMode::kCreateNew).error().code, Errc::kExists);
  EXPECT_TRUE(fs().open(box_ / "g", OpenMode::kCreateNew));
  put("f", "hello");
  EXPECT_TRUE(fs().open(path, OpenMode::kCreate));
  EXPECT_EQ(contents("f"), "hello");
  EXPECT_TRUE(fs().open(path, OpenMode::kTruncate));
  EXPECT_EQ(contents("f"), "");
  EXPECT_EQ(fs().open(box_ / "no/f", OpenMode::kCreate).error().code, Errc::kNotFound);
  EXPECT_EQ(fs().open(box_ / "f/x", OpenMode::kCreate).error().code, Errc::kNotFound);
  EXPECT_EQ(fs().open(box_.root, OpenMode::kRead).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(fs().open(box_.root, OpenMode::kReadWrite).error().code, Errc::kInvalidArgument);
}

TEST_P(FileSystemTest, ReadsWritesAppendsTruncates) {
  auto file = fs().open(box_ / "f", OpenMode::kCreate);
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->write_at(3, "def"));
  EXPECT_TRUE(file->append("ghi"));
  EXPECT_TRUE(file->write_at(0, "abc"));
  EXPECT_TRUE(file->append(""));
  EXPECT_EQ(*file->size(), 9u);
  EXPECT_EQ(contents("f"), "abcdefghi");

  std::array<char, 4> out{};
  EXPECT_EQ(*file->read_at(7, out), 2u);
  EXPECT_EQ(std::string(out.data(), 2), "hi");
  EXPECT_EQ(*file->read_at(9, out), 0u);
  EXPECT_EQ(*file->read_at(100, out), 0u);

  EXPECT_TRUE(file->truncate(2));
  EXPECT_TRUE(file->truncate(4));
  EXPECT_TRUE(file->append("!"));
  EXPECT_EQ(contents("f"), std::string("ab\0\0!", 5));
  EXPECT_TRUE(file->write_at(7, "x"));
  EXPECT_EQ(contents("f"), std::string("ab\0\0!\0\0x", 8));
  EXPECT_TRUE(file->sync_data());
  EXPECT_TRUE(file->sync_all());
  file->prefetch(0, 8);
}

TEST_P(FileSystemTest, WritingAFileOpenForReadingFails) {
  put("f", "x");
  auto file = fs().open(box_ / "f", OpenMode::kRead);
  ASSERT_TRUE(file);
  EXPECT_FALSE(file->write_at(0, "y"));
  EXPECT_FALSE(file->append("y"));
  EXPECT_FALSE(file->truncate(0));
  EXPECT_EQ(contents("f"), "x");
}

TEST_P(FileSystemTest, RenameReplaces) {
  put("a", "new");
  put("b", "old");
  EXPECT_TRUE(fs().rename(box_ / "a", box_ / "b"));
  EXPECT_EQ(contents("b"), "new");
  EXPECT_EQ(contents("a"), "<kNotFound>");
  EXPECT_EQ(fs().rename(box_ / "a", box_ / "c").error().code, Errc::kNotFound);
  ASSERT_TRUE(fs().create_directory(box_ / "d"));
  EXPECT_EQ(fs().rename(box_ / "b", box_ / "d").error().code, Errc::kInvalidArgument);
  EXPECT_TRUE(fs().rename(box_ / "b", box_ / "d/b"));
  EXPECT_TRUE(fs().rename(box_ / "d", box_ / "e"));
  EXPECT_EQ(contents("e/b"), "new");
}

TEST_P(FileSystemTest, LinksShareTheFile) {
  put("a", "one");
  EXPECT_TRUE(fs().link(box_ / "a", box_ / "b"));
  EXPECT_EQ(fs().link(box_ / "a", box_ / "b").error().code, Errc::kExists);
  EXPECT_EQ(fs().link(box_ / "no", box_ / "c").error().code, Errc::kNotFound);
  auto file = fs().open(box_ / "a", OpenMode::kReadWrite);
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->append("two"));
  EXPECT_TRUE(fs().remove(box_ / "a"));
  EXPECT_EQ(contents("b"), "onetwo");
  EXPECT_TRUE(fs().rename(box_ / "b", box_ / "c"));
  EXPECT_TRUE(file->append("three"));
  EXPECT_EQ(contents("c"), "onetwothree");
}

TEST_P(FileSystemTest, ARemovedFileLivesWhileItIsOpen) {
  put("a", "data");
  auto file = fs().open(box_ / "a", OpenMode::kReadWrite);
  ASSERT_TRUE(file);
  EXPECT_TRUE(fs().remove(box_ / "a"));
  EXPECT_EQ(fs().remove(box_ / "a").error().code, Errc::kNotFound);
  std::array<char, 4> out{};
  EXPECT_EQ(*file->read_at(0, out), 4u);
  EXPECT_TRUE(file->append("more"));
  EXPECT_EQ(*file->size(), 8u);
}

TEST_P(FileSystemTest, Directories) {
  EXPECT_EQ(fs().create_directory(box_.root).error().code, Errc::kExists);
  EXPECT_EQ(fs().create_directory(box_ / "x/y").error().code, Errc::kNotFound);
  EXPECT_TRUE(fs().create_directory(box_ / "d"));
  put("d/2", "");
  put("d/1", "xyz");
  using Names = std::vector<std::string>;
  EXPECT_EQ(*fs().list(box_ / "d"), (Names{"1", "2"}));
  EXPECT_EQ(*fs().list(box_.root), (Names{"d"}));
  EXPECT_EQ(fs().list(box_ / "no").error().code, Errc::kNotFound);
  EXPECT_EQ(fs().list(box_ / "d/1").error().code, Errc::kNotFound);
  EXPECT_EQ(fs().remove_directory(box_ / "d").error().code, Errc::kExists);
  EXPECT_EQ(fs().remove(box_ / "d").error().code, Errc::kInvalidArgument);
  EXPECT_TRUE(fs().sync_directory(box_ / "d"));
  EXPECT_EQ(fs().sync_directory(box_ / "no").error().code, Errc::kNotFound);
  EXPECT_EQ(fs().sync_directory(box_ / "d/1").error().code, Errc::kNotFound);

  auto info = fs().info(box_ / "d/1");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->size, 3u);
  EXPECT_FALSE(info->is_directory);
  EXPECT_GT(info->modified_us, 0);
  EXPECT_TRUE(fs().info(box_ / "d")->is_directory);
  EXPECT_EQ(fs().info(box_ / "no").error().code, Errc::kNotFound);

  EXPECT_TRUE(fs().remove(box_ / "d/1"));
  EXPECT_TRUE(fs().remove(box_ / "d/2"));
  EXPECT_TRUE(fs().remove_directory(box_ / "d"));
  EXPECT_EQ(fs().remove_directory(box_ / "d").error().code, Errc::kNotFound);
}

TEST_P(FileSystemTest, WholeFiles) {
  EXPECT_EQ(contents("f"), "<kNotFound>");
  EXPECT_TRUE(replace_file(fs(), box_ / "f", "first"));
  EXPECT_TRUE(replace_file(fs(), box_ / "f", "2nd"));
  EXPECT_EQ(contents("f"), "2nd");
  EXPECT_EQ(fs().list(box_.root)->size(), 1u);
  EXPECT_EQ(read_whole_file(fs(), box_ / "f", 2).error().code, Errc::kTooLarge);
  EXPECT_EQ(*read_whole_file(fs(), box_ / "f", 3), "2nd");
  ASSERT_TRUE(fs().create_directory(box_ / "d"));
  EXPECT_FALSE(replace_file(fs(), box_ / "d", "x"));
  EXPECT_EQ(fs().list(box_.root)->size(), 2u);  // the temporary file is gone
}

TEST_P(FileSystemTest, AFileMovesAndCloses) {
  File file = std::move(*fs().open(box_ / "f", OpenMode::kCreate));
  EXPECT_TRUE(file);
  EXPECT_EQ(file.handle() >= 0, std::string_view(GetParam()) == "real");
  File other = std::move(file);
  EXPECT_FALSE(file);  // NOLINT(bugprone-use-after-move)
  EXPECT_TRUE(other.append("x"));
  other.close();
  EXPECT_FALSE(other);
}

INSTANTIATE_TEST_SUITE_P(Both, FileSystemTest, testing::Values("real", "simulated"),
                         [](const auto& param_info) { return std::string(param_info.param); });

TEST(ParentDirectory, OfAbsoluteAndRelativePaths) {
  EXPECT_EQ(parent_directory("a/b/c"), "a/b");
  EXPECT_EQ(parent_directory("a/b//c/"), "a/b");
  EXPECT_EQ(parent_directory("/c"), "/");
  EXPECT_EQ(parent_directory("c"), ".");
  EXPECT_EQ(parent_directory("/"), "/");
}

TEST(RealFileSystem, AFullDiskIsNoSpace) {
  // /dev/full answers ENOSPC to every write.
  auto file = real_file_system().open("/dev/full", OpenMode::kReadWrite);
  if (!file) GTEST_SKIP() << "no /dev/full here";
  Status status = file->write_at(0, "x");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::kNoSpace);
  EXPECT_NE(status.error().os_error, 0);
}

}  // namespace
}  // namespace strata
