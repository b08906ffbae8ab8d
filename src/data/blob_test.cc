#include "data/blob.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace strata {
namespace {

Blob* make(Heap& heap, std::string_view text) {
  Blob* blob = Blob::create(heap, text.size());
  if (blob == nullptr) return nullptr;
  std::memcpy(blob->bytes, text.data(), text.size());
  blob->size = static_cast<uint32_t>(text.size());
  return blob;
}

TEST(Blob, CreateAndDestroy) {
  Heap heap;
  Blob* blob = make(heap, "hello");
  EXPECT_EQ(blob->view(), "hello");
  EXPECT_GE(blob->capacity(), 5u);
  EXPECT_FALSE(blob->pinned());
  Blob::destroy(heap, blob);
  EXPECT_EQ(heap.used(), 0u);
  EXPECT_EQ(Blob::create(heap, Blob::kMaxBytes + 1), nullptr);
}

TEST(Blob, WritableKeepsAnUnpinnedBlobAndGrowsGeometrically) {
  Heap heap;
  Blob* blob = make(heap, "x");
  EXPECT_EQ(Blob::writable(heap, blob, blob->capacity()), blob);
  int moves = 0;
  for (size_t size = 1; size <= 100'000; ++size) {
    Blob* next = Blob::writable(heap, blob, size);
    ASSERT_NE(next, nullptr);
    moves += next != blob;
    blob = next;
    blob->bytes[size - 1] = static_cast<char>('a' + size % 26);
    blob->size = static_cast<uint32_t>(size);
  }
  // From class to class up to half a kilobyte, then by half of what it has.
  EXPECT_LT(moves, 48 + 20);
  for (size_t size = 1; size <= 100'000; ++size) {
    ASSERT_EQ(blob->bytes[size - 1], static_cast<char>('a' + size % 26));
  }
  blob->size = 10;
  blob = Blob::shrink(heap, blob);
  EXPECT_EQ(heap.used(), Heap::good_size(10 + Blob::kHeaderBytes));
  EXPECT_EQ(Blob::shrink(heap, blob), blob);
  Blob::destroy(heap, blob);
}

// Hundreds of thousands of small values are the common case; slack in each was a fifth of all memory.
TEST(Blob, SmallOnesHaveNoSlack) {
  Heap heap;
  Blob* blob = make(heap, "");
  for (size_t size = 1; size <= 400; ++size) {
    blob = Blob::writable(heap, blob, size);
    blob->size = static_cast<uint32_t>(size);
    ASSERT_EQ(heap.used(), Heap::good_size(size + Blob::kHeaderBytes));
  }
  Blob::destroy(heap, blob);
}

TEST(Blob, APinnedBlobIsCopiedAndLivesUntilUnpinned) {
  Heap heap;
  Blob* old = make(heap, "before");
  old->pin();
  Blob* copy = Blob::writable(heap, old, 3);
  ASSERT_NE(copy, old);
  EXPECT_EQ(copy->view(), "before");
  copy->bytes[0] = 'B';
  EXPECT_EQ(old->view(), "before");
  EXPECT_FALSE(old->pinned());  // one reference is left, and it is the reader's
  Blob::unpin(old);
  EXPECT_TRUE(heap.collect());
  EXPECT_EQ(heap.used(), Heap::usable_size(copy));

  copy->pin();
  Blob* shrunk = Blob::shrink(heap, copy);
  EXPECT_NE(shrunk, copy);
  Blob::unpin(copy);
  shrunk->pin();
  Blob::destroy(heap, shrunk);
  EXPECT_EQ(shrunk->view(), "Before");
  Blob::unpin(shrunk);
  EXPECT_TRUE(heap.collect());
  EXPECT_EQ(heap.used(), 0u);
}

TEST(Blob, OutOfMemoryLeavesTheOldOne) {
  Heap heap(1 << 20);
  Blob* blob = make(heap, "kept");
  EXPECT_EQ(Blob::writable(heap, blob, 2 << 20), nullptr);
  EXPECT_EQ(blob->view(), "kept");
  blob->pin();
  EXPECT_EQ(Blob::writable(heap, blob, 2 << 20), nullptr);
  EXPECT_TRUE(blob->pinned());
  Blob::unpin(blob);
  // Growth by half would not fit, the exact size does.
  blob = Blob::writable(heap, blob, 500 << 10);
  ASSERT_NE(blob, nullptr);
  Blob::destroy(heap, blob);
}

// The shard keeps changing a blob while a reader on another thread checks what it has pinned.
TEST(Blob, PinsOnAnotherThread) {
  constexpr int kRounds = 2000;
  constexpr int kReaders = 2;
  Heap heap;
  Blob* blob = make(heap, std::string(100, 'a'));
  for (int round = 0; round < kRounds; round += 100) {
    std::vector<Blob*> pinned[kReaders];
    for (int i = 0; i < 100; ++i) {
      for (auto& list : pinned) {
        blob->pin();
        list.push_back(blob);
      }
      blob = Blob::writable(heap, blob, 100);
      if (blob == nullptr) FAIL() << "out of memory";
      std::memset(blob->bytes, 'a' + i % 26, 100);
    }
    std::vector<std::thread> readers;
    for (auto& list : pinned) {
      readers.emplace_back([&list] {
        for (Blob* pin : list) {
          EXPECT_EQ(pin->view(), std::string(100, pin->bytes[0]));
          Blob::unpin(pin);
        }
      });
    }
    for (int i = 0; i < 50; ++i) {
      blob = Blob::writable(heap, blob, 100 + static_cast<size_t>(i));
      heap.collect();
    }
    for (std::thread& reader : readers) reader.join();
  }
  Blob::destroy(heap, blob);
  while (!heap.collect()) {
  }
  EXPECT_EQ(heap.used(), 0u);
}

// A pin dropped at the very moment at which the owner lets go.
TEST(Blob, TheLastReferenceFreesWhoeverHoldsIt) {
  Heap heap;
  for (int round = 0; round < 300; ++round) {
    std::vector<Blob*> blobs;
    for (int i = 0; i < 20; ++i) {
      blobs.push_back(make(heap, "0123456789"));
      blobs.back()->pin();
    }
    std::thread reader([&] {
      for (Blob* blob : blobs) Blob::unpin(blob);
    });
    for (Blob* blob : blobs) Blob::destroy(heap, blob);
    reader.join();
    while (!heap.collect()) {
    }
    ASSERT_EQ(heap.used(), 0u);
  }
}

}  // namespace
}  // namespace strata
