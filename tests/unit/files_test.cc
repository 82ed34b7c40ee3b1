#include "sys/files.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace planetbox;

namespace {

TempDir temp() { return std::move(TempDir::create().value()); }
mode_t mode_of(const std::string& path) {
    struct stat info{};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    return info.st_mode & 07777;
}

}  // namespace

TEST_CASE("files are read whole, up to a limit, from disk, /proc and pipes") {
    TempDir dir = temp();
    std::string path = dir.path() + "/f";
    std::string text(200'000, 'x');
    REQUIRE(write_file_atomic(path, text).has_value());
    CHECK(read_file(path, 200'000) == text);
    auto over = read_file(path, 199'999);
    REQUIRE(!over);
    CHECK(over.error().code() == Code::kTooLarge);
    CHECK(over.error().message().find(path) != std::string::npos);
    CHECK(read_file("/proc/self/status", 1 << 16)->starts_with("Name:"));
    auto absent = read_file(dir.path() + "/absent", 10);
    REQUIRE(!absent);
    CHECK(absent.error().code() == Code::kNotFound);
    CHECK(!read_file(dir.path(), 10));
    UniqueFd at = std::move(open_file(dir.path(), O_RDONLY | O_DIRECTORY).value());
    CHECK(read_file("f", 1 << 20, at.get())->size() == 200'000);
}

// Catches: a half-written file after an error, a secret that is readable for a moment or for ever,
// and a symbolic link that is written through.
TEST_CASE("a file is replaced in one step, with the mode asked for") {
    TempDir dir = temp();
    std::string path = dir.path() + "/f";
    mode_t old_mask = umask(077);
    REQUIRE(write_file_atomic(path, "one", 0644).has_value());
    umask(old_mask);
    CHECK(mode_of(path) == 0644);
    REQUIRE(write_file_atomic(path, "two", 0600).has_value());
    CHECK(mode_of(path) == 0600);
    CHECK(read_file(path, 10) == "two");
    CHECK(list_dir(dir.path())->size() == 1);

    std::string precious = dir.path() + "/precious";
    REQUIRE(write_file_atomic(precious, "kept").has_value());
    std::string left_behind = path + ".tmp." + std::to_string(getpid());
    REQUIRE(symlink("precious", left_behind.c_str()) == 0);
    REQUIRE(write_file_atomic(path, "three").has_value());
    CHECK(read_file(precious, 10) == "kept");
    CHECK(read_file(path, 10) == "three");

    REQUIRE(make_dirs(dir.path() + "/d").has_value());
    Status onto_directory = write_file_atomic(dir.path() + "/d", "x");
    REQUIRE(!onto_directory);
    CHECK(list_dir(dir.path())->size() == 3);  // nothing left behind
    Status nowhere = write_file_atomic(dir.path() + "/no/f", "x");
    REQUIRE(!nowhere);
    CHECK(nowhere.error().code() == Code::kNotFound);
    CHECK(nowhere.error().message().find(dir.path() + "/no/f: ") != std::string::npos);
}

TEST_CASE("write_existing does not create") {
    TempDir dir = temp();
    CHECK(!write_existing(dir.path() + "/f", "x"));
    CHECK(!file_exists(dir.path() + "/f"));
    auto full = write_existing("/dev/full", "x");
    REQUIRE(!full);
    CHECK(full.error().sys_errno() == ENOSPC);
}

TEST_CASE("make_dirs is mkdir -p") {
    TempDir dir = temp();
    std::string path = dir.path() + "/a//b/c/";
    REQUIRE(make_dirs(path).has_value());
    REQUIRE(make_dirs(path).has_value());
    REQUIRE(write_file_atomic(dir.path() + "/file", "").has_value());
    CHECK(!make_dirs(dir.path() + "/file"));
    CHECK(!make_dirs(dir.path() + "/file/below"));
    REQUIRE(symlink("a", (dir.path() + "/link").c_str()) == 0);
    CHECK(make_dirs(dir.path() + "/link/d").has_value());
    CHECK(!make_dirs(""));
    CHECK(make_dirs("/").has_value());
}

// Catches: rm -rf that follows a link out of the tree.
TEST_CASE("remove_tree removes links, not what they lead to") {
    TempDir dir = temp(), other = temp();
    REQUIRE(write_file_atomic(other.path() + "/precious", "kept").has_value());
    std::string tree = dir.path() + "/tree";
    REQUIRE(make_dirs(tree + "/a/b").has_value());
    for (int i = 0; i < 300; ++i)
        REQUIRE(write_file_atomic(tree + "/a/" + std::to_string(i), "x").has_value());
    REQUIRE(symlink(other.path().c_str(), (tree + "/a/b/out").c_str()) == 0);
    REQUIRE(remove_tree(tree).has_value());
    CHECK(!file_exists(tree));
    CHECK(read_file(other.path() + "/precious", 10) == "kept");
    REQUIRE(symlink(other.path().c_str(), tree.c_str()) == 0);
    REQUIRE(remove_tree(tree).has_value());
    CHECK(file_exists(other.path() + "/precious"));
    CHECK(remove_tree(tree).has_value());  // absent is success
    CHECK(remove_file(tree).has_value());
}

TEST_CASE("names and paths") {
    for (const char* bad : {"", ".", "..", "a/b", "/", "a/"}) CHECK(!is_plain_name(bad));
    CHECK(!is_plain_name(std::string_view("a\0b", 3)));
    for (const char* good : {"a", "...", ".a", "a b", "ä"}) CHECK(is_plain_name(good));
    CHECK(dir_name("a/b") == "a");
    CHECK(dir_name("b") == ".");
    CHECK(dir_name("/b") == "/");
    CHECK(base_name("a/b") == "b");
    CHECK(base_name("b") == "b");
    CHECK(list_dir("/no/such").error().code() == Code::kNotFound);
}

TEST_CASE("a temporary directory is private and goes") {
    std::string path;
    {
        TempDir dir = temp();
        path = dir.path();
        CHECK(mode_of(path) == 0700);
        REQUIRE(make_dirs(path + "/x/y").has_value());
        TempDir moved(std::move(dir));
        CHECK(moved.path() == path);
    }
    CHECK(!file_exists(path));
}
