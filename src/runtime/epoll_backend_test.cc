// Streams that are ready together are received from before any of them is delivered to: what the first one's
// handler does to the others then matters.

#include <gtest/gtest.h>

#include <string>

#include "runtime/backend.h"
#include "runtime/test_support.h"

namespace strata {
namespace {

struct RecordingHandler final : IoHandler {
  void on_received(Result<Bytes> bytes) override {
    received += std::string(must(bytes));
    if (then) then();
  }
  void on_foreseen(Bytes bytes, ForesightPass pass) override {
    (pass == ForesightPass::kFirst ? first_pass : second_pass) += std::string(bytes);
  }
  void on_hangup() override {}
  void on_accepted(Result<Socket>) override { FAIL(); }

  IoChannel* channel = nullptr;
  std::string received, first_pass, second_pass;
  std::function<void()> then;
};

class EpollGroupTest : public testing::Test {
 protected:
  EpollGroupTest() : backend_(must(make_epoll_backend({}))) {
    for (int i = 0; i < 2; ++i) {
      auto [near, far] = must(socket_pair());
      must(set_nonblocking(near.handle(), true));
      handlers_[i].channel = must(backend_->attach_stream(std::move(near), handlers_[i]));
      far_[i] = std::move(far);
      Result<Bytes> ready;
      EXPECT_FALSE(backend_->start_receive(handlers_[i].channel, ready));
    }
    must(send_all(far_[0].handle(), "one"));
    must(send_all(far_[1].handle(), "two"));
  }
  ~EpollGroupTest() override {
    for (RecordingHandler& handler : handlers_) {
      if (handler.channel != nullptr) backend_->detach(handler.channel);
    }
  }
  void turn() {
    backend_->wait(0);
    backend_->deliver();
  }
  // Whoever is delivered to first does this to the other.
  void first_does(const std::function<void(RecordingHandler&)>& action) {
    for (int i = 0; i < 2; ++i) {
      handlers_[i].then = [this, i, action] {
        if (handlers_[1 - i].received.empty()) action(handlers_[1 - i]);
      };
    }
  }
  RecordingHandler& late() { return handlers_[0].received.empty() ? handlers_[0] : handlers_[1]; }

  std::unique_ptr<Backend> backend_;
  RecordingHandler handlers_[2];
  Socket far_[2];
};

TEST_F(EpollGroupTest, EachIsForeseenTwiceAndThenDelivered) {
  turn();
  EXPECT_EQ(handlers_[0].received, "one");
  EXPECT_EQ(handlers_[1].received, "two");
  for (const RecordingHandler& handler : handlers_) {
    EXPECT_EQ(handler.first_pass, handler.received);
    EXPECT_EQ(handler.second_pass, handler.received);
  }
}

TEST_F(EpollGroupTest, BytesOfAStoppedReceiveGoToTheNext) {
  first_does([&](RecordingHandler& other) { backend_->stop_receive(other.channel); });
  turn();
  RecordingHandler& stopped = late();
  EXPECT_EQ(stopped.received, "");
  Result<Bytes> ready;
  ASSERT_TRUE(backend_->start_receive(stopped.channel, ready));
  EXPECT_EQ(must(ready), stopped.first_pass);
  EXPECT_FALSE(backend_->start_receive(stopped.channel, ready)) << "delivered twice";
}

TEST_F(EpollGroupTest, ADetachedStreamIsToldNothing) {
  first_does([&](RecordingHandler& other) { backend_->detach(std::exchange(other.channel, nullptr)); });
  turn();
  EXPECT_EQ(late().received, "");
}

TEST_F(EpollGroupTest, TheEndOfAStreamIsDeliveredInItsTurn) {
  far_[0] = Socket();
  turn();  // hang-up and input are not for the group, but lose nothing
  EXPECT_EQ(handlers_[0].received, "one");
  EXPECT_EQ(handlers_[1].received, "two");
}

}  // namespace
}  // namespace strata
