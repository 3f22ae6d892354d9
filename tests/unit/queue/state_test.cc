#include "queue/state.h"

#include <gtest/gtest.h>

#include "queue.h"
#include "queue/checksum.h"
#include "queue/netstring.h"

namespace pillarbox::queue {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)

State full_state() {
  State state = tried(4);
  state.recipients[1] = {Progress::accepted, "250 2.0.0 Ok", "2.0.0"};
  state.recipients[2] = {Progress::refused, "550 5.1.1 No such user", "5.1.1", "mx.example.net"};
  state.recipients[3] = {Progress::told, "given up", "4.4.7"};
  return state;
}

// With a checksum of its own, so that what is behind that is looked at.
std::string sealed(const std::string& body) {
  return body + trailer(body);
}

std::string body_of(const State& state) {
  const std::string text = encode(state);
  return text.substr(0, text.size() - trailer_size);
}

TEST(State, ReadsBack) {
  const State state = full_state();
  const auto read = decode_state(encode(state), 4);
  ASSERT_TRUE(succeeds(read));
  EXPECT_EQ(read->tries, 2U);
  EXPECT_EQ(read->next, noon + 5min);
  EXPECT_EQ(read->last, noon);
  EXPECT_EQ(read->reply, "450 4.2.1 later");
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(read->recipients[i].progress, state.recipients[i].progress);
    EXPECT_EQ(read->recipients[i].reply, state.recipients[i].reply);
    EXPECT_EQ(read->recipients[i].status, state.recipients[i].status);
    EXPECT_EQ(read->recipients[i].host, state.recipients[i].host);
  }
  EXPECT_EQ(encode(*read), encode(state));
}

TEST(State, TimesAreExact) {
  State state = State::fresh(1);
  state.next = Time(std::chrono::nanoseconds(1'234'567'890'123'456'789));
  EXPECT_EQ(decode_state(encode(state), 1)->next, state.next);
  EXPECT_FALSE(decode_state(encode(state), 1)->last);
  state.next = Time(std::chrono::nanoseconds(-5));
  EXPECT_EQ(decode_state(encode(state), 1)->next, Time()) << "before 1970 is at once";
}

TEST(State, OwesWhileOneIsToBeTried) {
  State state = full_state();
  EXPECT_TRUE(state.owes());
  state.recipients[0].progress = Progress::refused;
  EXPECT_FALSE(state.owes());
  EXPECT_TRUE(State::fresh(1).owes());
}

TEST(State, WordsFromOutsideAreOneShortLine) {
  State state = State::fresh(1);
  state.recipients[0].reply = "550 a\r\nb\x1b[2J\xff" + std::string(5000, 'x');
  state.recipients[0].status = "5.1.1\n";
  state.reply = std::string(511, 'x') + "\xc3\xa9";
  const auto read = decode_state(encode(state), 1);
  ASSERT_TRUE(succeeds(read));
  EXPECT_TRUE(read->recipients[0].reply.starts_with("550 a\\r\\nb"));
  EXPECT_LE(read->recipients[0].reply.size(), 512U);
  EXPECT_EQ(read->recipients[0].status, "");
  EXPECT_LE(read->reply.size(), 512U);
  EXPECT_EQ(encode(*read), encode(state)) << "once is enough";
}

TEST(State, KnowsWhetherItsAccountWasInTroubleAndItsSenderWarned) {
  for (State state : {full_state(), State::fresh(1)}) {
    const std::size_t recipients = state.recipients.size();
    for (const auto& [rests, warned] : {std::pair(false, false), {true, false}, {false, true}, {true, true}}) {
      state.rests = rests;
      state.warned = warned;
      const auto read = decode_state(encode(state), recipients);
      ASSERT_TRUE(succeeds(read));
      EXPECT_EQ(read->rests, rests);
      EXPECT_EQ(read->warned, warned);
      EXPECT_EQ(read->recipients.back().host, state.recipients.back().host);
      EXPECT_EQ(encode(*read), encode(state));
    }
  }
}

TEST(State, WithoutHostsIsAsItWasBefore) {
  State state = full_state();
  state.recipients[2].host = "";
  const std::string text = body_of(state);
  EXPECT_EQ(text + netstring("") + netstring("") + netstring("mx.example.net") + netstring(""), body_of(full_state()));
  EXPECT_TRUE(succeeds(decode_state(sealed(text), 4)));
}

TEST(State, AHostIsOneOrNone) {
  State state = State::fresh(1);
  for (const std::string& host :
       {std::string("a b"), std::string("a\r\nX: y"), std::string("\xc3\xa9"), std::string(256, 'x')}) {
    state.recipients[0].host = host;
    EXPECT_EQ(decode_state(encode(state), 1)->recipients[0].host, "");
    EXPECT_FALSE(decode_state(sealed(body_of(State::fresh(1)) + netstring(host)), 1));
  }
  EXPECT_TRUE(succeeds(decode_state(sealed(body_of(State::fresh(1)) + netstring("mx")), 1)));
}

TEST(State, OfOtherRecipientsIsDamaged) {
  EXPECT_TRUE(fails_as(decode_state(encode(full_state()), 3), Error::Kind::data));
  EXPECT_TRUE(fails_as(decode_state(encode(full_state()), 5), Error::Kind::data));
  EXPECT_TRUE(fails_as(decode_state(encode(State::fresh(0)), 1'000'000'000), Error::Kind::data));
}

TEST(State, NoDamageIsTakenForAState) {
  const std::string sound = encode(full_state());
  for (std::size_t i = 0; i < sound.size(); ++i) {
    for (int bit = 1; bit < 256; bit *= 2) {
      std::string text = sound;
      text[i] = static_cast<char>(text[i] ^ bit);
      EXPECT_FALSE(decode_state(text, 4)) << "byte " << i;
    }
    EXPECT_FALSE(decode_state(sound.substr(0, i), 4)) << "cut at " << i;
  }
  EXPECT_FALSE(decode_state(sound + "\n", 4));
}

TEST(State, ValuesAreValidatedBehindTheChecksum) {
  const std::string sound = body_of(full_state());
  ASSERT_TRUE(succeeds(decode_state(sealed(sound), 4)));
  const std::vector<std::pair<std::string, std::string>> changes = {{"8:accepted,", "8:Accepted,"},
                                                                    {"5:4.4.7,", "5:6.4.7,"},
                                                                    {"5:4.4.7,", "5:4.4.x,"},
                                                                    {"1:2,", "2:02,"},
                                                                    {"1:2,", "1:x,"},
                                                                    {"1:2,", "0:,"},
                                                                    {"1:4,", "1:3,"},
                                                                    {"8:given up,", "8:given\nup,"},
                                                                    {"8:given up,", "9:given up,"},
                                                                    {"8:given up,", "7:given up,"},
                                                                    {"1:2,", "11:99999999999,"}};
  for (const auto& [from, to] : changes) {
    std::string text = sound;
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), from.size(), to);
    EXPECT_TRUE(fails_as(decode_state(sealed(text), 4), Error::Kind::data)) << to;
  }
  EXPECT_TRUE(fails_as(decode_state(sealed(sound + "0:,"), 4), Error::Kind::data));
  EXPECT_TRUE(fails_as(decode_state(sealed("pillarbox-state 2\n"), 0), Error::Kind::data));
}

TEST(State, HasRoomForWhateverAnAttemptComesTo) {
  State state = State::fresh(100);
  for (const std::size_t tried : {std::size_t{1}, std::size_t{100}}) {
    State after = state;
    after.tries = 4'000'000'000;
    after.next = *(after.last = Time::max());
    after.reply = std::string(600, 'x');
    after.rests = after.warned = true;
    for (RecipientState& each : after.recipients) each.status = "4.4.7";
    for (std::size_t i = 0; i < tried; ++i) {
      after.recipients[i] = {Progress::accepted, std::string(600, 'x'), "5.999.999", std::string(255, 'h')};
    }
    EXPECT_LE(encode(after).size(), room_for(state, tried));
    EXPECT_LT(room_for(state, tried), 20000 + tried * 900);
  }
}

}  // namespace
}  // namespace pillarbox::queue
