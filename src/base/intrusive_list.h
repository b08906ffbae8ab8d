// A doubly linked list of objects that carry their own links: no allocation, and an object unlinks
// itself in O(1) without knowing its list.
//
//   struct Waiter : ListLink<> { … };          // ListLink<Tag> where an object is on several lists
//   IntrusiveList<Waiter> waiters;
//
//   1. The list owns nothing; whoever owns an element unlinks it before it dies (its destructor asserts
//   that).
//   2. An element is on at most one list for each tag.
// One thread at a time. Neither links nor lists can be copied or moved: neighbours point at them.

#pragma once

#include "base/assert.h"

namespace strata {

struct DefaultListTag {};

template <typename Tag = DefaultListTag>
class ListLink {
 public:
  ListLink() = default;
  ListLink(const ListLink&) = delete;
  ListLink& operator=(const ListLink&) = delete;
  ~ListLink() { STRATA_ASSERT(!linked()); }

  bool linked() const { return next_ != nullptr; }

  // Does nothing when it is on no list.
  void unlink() {
    if (!linked()) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = nullptr;
  }

 private:
  template <typename, typename>
  friend class IntrusiveList;

  ListLink* prev_ = nullptr;
  ListLink* next_ = nullptr;
};

template <typename T, typename Tag = DefaultListTag>
class IntrusiveList {
  using Link = ListLink<Tag>;

 public:
  IntrusiveList() { head_.prev_ = head_.next_ = &head_; }
  // Unlinks what is left.
  ~IntrusiveList() {
    clear();
    head_.prev_ = head_.next_ = nullptr;
  }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  bool empty() const { return head_.next_ == &head_; }
  // Null when empty.
  T* front() { return at(head_.next_); }
  T* back() { return at(head_.prev_); }
  // Null after the last. Take the next before unlinking the current one.
  T* next(T& element) { return at(static_cast<Link&>(element).next_); }

  void push_back(T& element) { insert_before(head_, element); }
  void push_front(T& element) { insert_before(*head_.next_, element); }
  T* pop_front() {
    T* element = front();
    if (element != nullptr) static_cast<Link*>(element)->unlink();
    return element;
  }
  void remove(T& element) { static_cast<Link&>(element).unlink(); }
  void clear() {
    while (pop_front() != nullptr) {
    }
  }

 private:
  T* at(Link* link) { return link == &head_ ? nullptr : static_cast<T*>(link); }

  static void insert_before(Link& place, T& element) {
    Link& link = element;
    STRATA_ASSERT(!link.linked(), "already on a list");
    link.prev_ = place.prev_;
    link.next_ = &place;
    place.prev_->next_ = &link;
    place.prev_ = &link;
  }

  Link head_;
};

}  // namespace strata
