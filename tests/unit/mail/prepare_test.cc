#include "mail/prepare.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "support.h"

namespace pillarbox::mail {
namespace {

using test::contains;
using test::fails_as;
using test::memory;
using test::succeeds;

Header header(std::string_view text) {
  auto read = read_header(memory(text), Normaliser::Nul::drop);
  return std::move(read->header);
}

std::string recipients(std::string_view text, Resent resent = Resent::all) {
  const auto list = recipients_of(header(text), resent);
  if (!list) return "!" + list.error().text;
  std::string out;
  for (const Mailbox& each : *list) out += (out.empty() ? "" : " ") + each.address.text();
  return out;
}

std::string sender(std::string_view text) {
  const auto address = sender_of(header(text));
  return address ? address->text() : "!" + address.error().text;
}

Missing missing() {
  return {.author = *Address::parse("alice@example.com"),
          .author_name = "Alice",
          .date = "Thu, 1 Jan 1970 00:00:00 +0000",
          .message_id = "<1@example.com>"};
}

std::string completed(std::string_view text, const Missing& what) {
  Header all = header(text);
  add_missing(all, what);
  return all.text();
}

std::string qualified(std::string_view text) {
  Header all = header(text);
  qualify(all, "d.example");
  return all.text();
}

TEST(Recipients, AreThoseOfToCcAndBcc) {
  EXPECT_EQ(recipients("To: a@b, C <c@d>\nCc: e@f\nBcc : g@h\nX-To: no@no\nApparently-To: no@no\nReply-To: no@no\n\n"),
            "a@b c@d e@f g@h");
  EXPECT_EQ(recipients("TO: a@b\nbcc:\n c@d,\n\te@f\n\n"), "a@b c@d e@f");
  EXPECT_EQ(recipients("To: a@b\nTo: c@d\n\n"), "a@b c@d");
  EXPECT_EQ(recipients("To: Team: a@b, c@d;, undisclosed-recipients:;\n\n"), "a@b c@d");
  EXPECT_EQ(recipients("Subject: s\n\n"), "");
  EXPECT_EQ(recipients("To: root (Cron), admin\n\n"), "root admin");
}

TEST(Recipients, OfAResentMessageAreThoseOfItsResentFields) {
  for (const Resent resent : {Resent::all, Resent::first_block}) {
    const auto named = [&](std::string_view text) { return recipients(text, resent); };
    EXPECT_EQ(named("Resent-To: r@b\nResent-Cc: s@b\nResent-Bcc: t@b\nTo: a@b\nCc: c@d\nBcc: e@f\n\n"), "r@b s@b t@b");
    EXPECT_EQ(named("Resent-To: r@b\nX-O: 1\nresent-cc : s@b\nTo: a@b\nResent-To: t@b\n\n"), "r@b s@b t@b");
    EXPECT_EQ(named("Resent-From: x@y\nX-Mailer: m\nResent-To: r@b\nTo: a@b\n\n"), "r@b");
    EXPECT_EQ(named("To: a@b\nResent-From: x@y\n\n"), "a@b") << "without recipients of its own it is no resent block";
  }
}

TEST(Recipients, OfAMessageResentTwiceAreAllOrThoseOfItsFirstBlock) {
  const auto last = [](std::string_view text) { return recipients(text, Resent::first_block); };
  for (const std::string once : {"From: x@y", "Sender: x@y", "Date: now", "Message-ID: <1@y>"}) {
    const std::string twice = "Resent-" + once + "\nResent-To: new@b\nRESENT-" + once + "\nResent-To: old@b\n\n";
    EXPECT_EQ(last(twice), "new@b") << once;
    EXPECT_EQ(recipients(twice), "new@b old@b") << once;
  }
  const std::string traced = "Received: z\nResent-To: new@b\nX-O: 1\nReceived: y\nResent-Cc: old@b\n\n";
  EXPECT_EQ(last(traced), "new@b");
  EXPECT_EQ(recipients(traced), "new@b old@b");
}

TEST(Recipients, OfAResentMessageMayBeNone) {
  EXPECT_EQ(recipients("Resent-To: \nTo: a@b\n\n"), "");
}

TEST(Recipients, NameTheFieldThatIsWrong) {
  const auto list = recipients_of(header("To: a@b\nCc: not an address\n\n"), Resent::all);
  ASSERT_TRUE(fails_as(list, Error::Kind::data));
  EXPECT_TRUE(contains(list.error().text, "Cc")) << list.error().text;
}

TEST(SenderOfAHeader, IsSenderOrFromsFirst) {
  EXPECT_EQ(sender("From: A <a@b>, c@d\nSender: s@b\n\n"), "s@b");
  EXPECT_EQ(sender("From: A <a@b>, c@d\n\n"), "a@b");
  EXPECT_EQ(sender("From: a@b\nSender:\n\n"), "a@b");
  EXPECT_TRUE(fails_as(sender_of(header("To: a@b\n\n")), Error::Kind::data));
  EXPECT_TRUE(fails_as(sender_of(header("From: \n\n")), Error::Kind::data));
  EXPECT_TRUE(fails_as(sender_of(header("From: a b\n\n")), Error::Kind::data));
}

TEST(SenderOfAHeader, IsThatOfTheFirstResentBlock) {
  EXPECT_EQ(sender("Resent-From: r@b\nResent-To: x@y\nFrom: a@b\nSender: s@b\n\n"), "r@b");
  EXPECT_EQ(sender("Resent-Sender: q@b\nResent-From: r@b\nResent-To: x@y\nFrom: a@b\n\n"), "q@b");
  EXPECT_EQ(sender("Resent-From: r@b\nResent-To: x@y\nResent-From: old@b\nResent-Sender: old@b\n\n"), "r@b");
  EXPECT_EQ(sender("Resent-From: r@b\nFrom: a@b\n\n"), "a@b");
}

TEST(Bcc, IsRemovedInEveryForm) {
  Header all = header("To: a\nBcc: b\nBCC : c,\n d\nbcc\t:\n e\nResent-Bcc: f\nrEsent-bCC : g\n h\nX-Bcc: i\n\n");
  remove_bcc(all);
  EXPECT_EQ(all.text(), "To: a\r\nX-Bcc: i\r\n\r\n");
}

TEST(MissingFields, AreAddedEachOnItsOwn) {
  EXPECT_EQ(completed("Subject: s\n\n", missing()),
            "Subject: s\r\nFrom: Alice <alice@example.com>\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\n"
            "Message-ID: <1@example.com>\r\nTo: undisclosed-recipients:;\r\n\r\n");
  EXPECT_EQ(completed("from: x@y\ndate : d\nMESSAGE-ID: <i>\ncc: z@y\n\n", missing()),
            "from: x@y\r\ndate : d\r\nMESSAGE-ID: <i>\r\ncc: z@y\r\n\r\n");
  EXPECT_TRUE(contains(completed("Cc: x@y\n\n", missing()), "Date: ")) << "a Cc stands in for To alone";
  EXPECT_FALSE(contains(completed("Cc: x@y\n\n", missing()), "undisclosed"));
}

TEST(MissingFields, AreOnlyThoseThatAreGiven) {
  Missing what = missing();
  what.date.clear();
  what.message_id.clear();
  what.to = false;
  what.author_name.clear();
  EXPECT_EQ(completed("Subject: s\n\n", what), "Subject: s\r\nFrom: alice@example.com\r\n\r\n");
}

TEST(MissingFields, QuoteAndEncodeTheName) {
  Missing what = missing();
  what.author_name = "Dyke, A.";
  EXPECT_TRUE(contains(completed("", what), "From: \"Dyke, A.\" <alice@example.com>\r\n"));
  what.author_name = "J\xc3\xb6rg";
  EXPECT_TRUE(contains(completed("", what), "From: =?UTF-8?B?SsO2cmc=?= <alice@example.com>\r\n"));
}

TEST(MissingFields, FoldALineWithAnEncodedWordBefore77Characters) {
  Missing what = missing();
  for (std::size_t length = 1; length < 200; ++length) {
    what.author_name = "\xc3\xb6" + std::string(length, 'x');
    const std::string header = completed("Resent-To: r@b\n\n", what);
    for (const std::string_view line : base::split(header, '\n')) EXPECT_LE(base::trim(line).size(), 76U) << line;
  }
}

TEST(MissingFields, OfAResentMessageLeaveTheOriginalAlone) {
  const std::string all = completed("Resent-To: r@b\nFrom: x@y\nSubject: s\n\n", missing());
  EXPECT_TRUE(contains(all, "Resent-Date: "));
  EXPECT_TRUE(contains(all, "Resent-Message-ID: "));
  EXPECT_FALSE(contains(all, "\nDate: "));
  EXPECT_FALSE(contains(all, "\nMessage-ID: "));
  EXPECT_TRUE(contains(all, "\nFrom: x@y\r\n"));
  EXPECT_LT(all.find("Resent-Date"), all.find("From: x@y")) << "the block is in front";
}

TEST(MissingFields, OfAResentMessageAreThoseOfItsFirstBlock) {
  const std::string old = "Resent-From: o@b\nResent-Date: then\nResent-Message-ID: <o@b>\nResent-To: old@b\n\n";
  const std::string twice = "Received: z\nResent-To: new@b\nReceived: y\n" + old;
  const std::string all = completed(twice, missing());
  EXPECT_TRUE(
      all.starts_with("Received: z\r\nResent-From: Alice <alice@example.com>\r\nResent-Date: Thu, 1 Jan 1970 "
                      "00:00:00 +0000\r\nResent-Message-ID: <1@example.com>\r\nResent-To: new@b\r\n"))
      << all;
  EXPECT_TRUE(lacks_author(header(twice)));
  EXPECT_EQ(recipients(all, Resent::first_block), "new@b");
}

TEST(Qualifying, GivesBareNamesADomain) {
  EXPECT_EQ(qualified("From: root (Cron Daemon)\nTo: root\n\n"),
            "From: root@d.example (Cron Daemon)\r\nTo: root@d.example\r\n\r\n");
  EXPECT_EQ(qualified("To: a, B <b>, c@x,\n \"d e\" <f>,\n\tg (h)\n\n"),
            "To: a@d.example, B <b@d.example>, c@x,\r\n \"d e\" <f@d.example>,\r\n\tg@d.example (h)\r\n\r\n");
  EXPECT_EQ(qualified("Cc: Team: a, b@x;, c\n\n"), "Cc: Team: a@d.example, b@x;, c@d.example\r\n\r\n");
  EXPECT_EQ(qualified("To: \\root, b@x, \\c\n\n"), "To: root@d.example, b@x, c@d.example\r\n\r\n");
  EXPECT_EQ(qualified("To: \\\"q, \\r@x\n\n"), "To: \"\\\"q\"@d.example, r@x\r\n\r\n") << "a mark needs its quotes";
  EXPECT_EQ(qualified("To: undisclosed-recipients:;\n\n"), "To: undisclosed-recipients:;\r\n\r\n");
  EXPECT_EQ(qualified("to : a\nSENDER: b\nReply-To: c\nResent-To: d\n\n"),
            "to : a@d.example\r\nSENDER: b@d.example\r\nReply-To: c@d.example\r\nResent-To: d@d.example\r\n\r\n");
  EXPECT_EQ(qualified("To: J\xc3\xb6rg <j>, \"\xc3\xb6\" <k>\n\n"),
            "To: J\xc3\xb6rg <j@d.example>, \"\xc3\xb6\" <k@d.example>\r\n\r\n");
}

TEST(Qualifying, CostsNoMoreThanTheFieldsSize) {
  Header all;
  std::string names;
  std::string expected;
  for (int i = 0; i < (test::sanitized ? 50000 : 500000); ++i) {
    names += "a,";
    expected += "a@d.example,";
  }
  all.append("To", names);
  EXPECT_LT(test::seconds_of([&] { qualify(all, "d.example"); }), 10);
  EXPECT_TRUE(all.lines() == "To: " + expected + "\r\n");
}

TEST(Qualifying, LeavesOtherFieldsAndWhatItCanNotReadAlone) {
  const std::string text = "Subject: root\r\nX-To: root\r\nTo: a b, c\r\nCc:\r\nMessage-ID: <x>\r\n\r\n";
  EXPECT_EQ(qualified(text), text);
}

TEST(EnforceAuthor, ReplacesFromAndKeepsTheOldOneForReplies) {
  const auto enforced = [](const std::string& text) {
    Header all = header(text);
    enforce_author(all, *Address::parse("alice@example.com"), "Alice");
    return all.lines();
  };
  EXPECT_EQ(enforced("A: 1\r\nFrom: Bob <bob@x.test>\r\nTo: c@x.test\r\n"),
            "A: 1\r\nFrom: Alice <alice@example.com>\r\nTo: c@x.test\r\nReply-To: Bob <bob@x.test>\r\n");
  EXPECT_EQ(enforced("From: bob@x.test\r\nReply-To: d@x.test\r\n"),
            "From: Alice <alice@example.com>\r\nReply-To: d@x.test\r\n");
  for (const std::string own : {"From: Me <alice@EXAMPLE.com>\r\n", "To: c@x.test\r\n"}) EXPECT_EQ(enforced(own), own);
  EXPECT_EQ(enforced("From: a@x.test,\r\n b@x.test\r\n"),
            "From: Alice <alice@example.com>\r\nReply-To: a@x.test,\r\n b@x.test\r\n");
  EXPECT_EQ(enforced("From:\r\n a@x.test\r\n"), "From: Alice <alice@example.com>\r\nReply-To: a@x.test\r\n");
  EXPECT_EQ(enforced("From: a@x.test\r\nTo: c@x.test\r\nfrom: b@x.test\r\n"),
            "From: Alice <alice@example.com>\r\nTo: c@x.test\r\nReply-To: a@x.test\r\n");
  EXPECT_EQ(enforced("From: alice@example.com\r\nFrom: b@x.test\r\n"), "From: alice@example.com\r\n");
  EXPECT_EQ(enforced("From: ((\r\n"), "From: Alice <alice@example.com>\r\nReply-To: ((\r\n");
  EXPECT_EQ(enforced("From: \r\n"), "From: Alice <alice@example.com>\r\n");
  EXPECT_EQ(enforced("Resent-To: r@x.test\r\nResent-From: bob@x.test\r\nFrom: c@x.test\r\n"),
            "Resent-To: r@x.test\r\nResent-From: Alice <alice@example.com>\r\nFrom: c@x.test\r\n");
  EXPECT_EQ(
      enforced("Resent-To: r@x.test\r\nResent-From: bob@x.test\r\nResent-To: q@x.test\r\nResent-From: c@x.test\r\n"),
      "Resent-To: r@x.test\r\nResent-From: Alice <alice@example.com>\r\nResent-To: q@x.test\r\n"
      "Resent-From: c@x.test\r\n");
  // Whoever sends it on is named, too.
  const std::string own = "Resent-From: Alice <alice@example.com>\r\n";
  for (const std::string older : {"Resent-To: r@x.test\r\nReceived: y\r\nResent-From: bob@x.test\r\n",
                                  "Resent-To: r@x.test\r\nFrom: bob@x.test\r\n"}) {
    EXPECT_EQ(enforced(older), own + older);
  }
}

Survey survey_of(std::string_view body) {
  Survey survey;
  survey.feed(body);
  return survey;
}

const std::string long_line(999, 'x');

// The header that a body gets, and how it is recoded.
std::string prepared(std::string_view text, std::string_view body) {
  Header all = header(text);
  const Recoding recoding = prepare_body(all, survey_of(body));
  const std::string how = recoding == Recoding::none ? "as it is" : recoding == Recoding::fold ? "folded" : "encoded";
  return how + ": " + all.lines();
}

TEST(Body, OfShortLinesIsLeftAlone) {
  EXPECT_EQ(prepared("A: b\n\n", "hi\n"), "as it is: A: b\r\n");
  EXPECT_EQ(prepared("A: b\n\n", std::string(998, 'x') + "\r\n"), "as it is: A: b\r\n");
  EXPECT_EQ(prepared("A: b\n\n", "gr\xfcn\n"), "as it is: A: b\r\n") << "of what charset it is nobody knows";
}

TEST(Body, InUtf8IsLabelledWhereNothingIsSaidOfIt) {
  const std::string utf8 = "gr\xc3\xbcn\n";
  EXPECT_EQ(prepared("A: b\n\n", utf8),
            "as it is: A: b\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n");
  for (const std::string field :
       {"MIME-Version: 1.0", "content-type: text/html", "Content-Transfer-Encoding: 8bit", "Resent-To: a@b"}) {
    EXPECT_EQ(prepared(field + "\n\n", utf8), "as it is: " + field + "\r\n");
  }
}

TEST(Body, OfLongLinesIsQuotedPrintable) {
  EXPECT_EQ(prepared("", long_line),
            "encoded: MIME-Version: 1.0\r\nContent-Type: text/plain; charset=US-ASCII\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n");
  EXPECT_TRUE(contains(prepared("", long_line + "\xc3\xbc"), "charset=UTF-8\r\n"));
  EXPECT_TRUE(contains(prepared("", long_line + "\xfc"), "charset=unknown-8bit\r\n"));
  EXPECT_EQ(prepared("Content-Type: text/html\nMIME-Version: 1.0\n\n", long_line),
            "encoded: Content-Type: text/html\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n");
}

TEST(Body, OfLongLinesIsFoldedWhereItIsEncodedOrHasParts) {
  for (const std::string field : {"content-transfer-encoding: base64", "Content-Type: multipart/mixed; boundary=b",
                                  "Content-Type:\r\n Message/RFC822"}) {
    EXPECT_EQ(prepared(field + "\n\n", long_line), "folded: " + field + "\r\n");
  }
}

std::string refolded(std::string_view text) {
  Header all = header(text);
  const bool any = fold_long_lines(all);
  return (any ? "" : "none: ") + all.lines();
}

TEST(LongHeaderLines, AreFoldedAtTheLastBlankThatFits) {
  const std::string a(500, 'a'), b(480, 'b'), c(30, 'c');
  EXPECT_EQ(refolded("To: " + a + " " + b + "\nA: b\n\n"), "none: To: " + a + " " + b + "\r\nA: b\r\n");
  EXPECT_EQ(refolded("A: b\nTo: " + a + " " + b + " " + c + "\n\n"),
            "A: b\r\nTo: " + a + " " + b + "\r\n " + c + "\r\n");
  EXPECT_EQ(refolded("To: x,\n\t" + a + "\t" + b + " " + c + "\n y\n\n"),
            "To: x,\r\n\t" + a + "\t" + b + "\r\n " + c + "\r\n y\r\n");
}

TEST(LongHeaderLines, AreFoldedBehindAnAddressForWantOfABlank) {
  std::string list;
  std::string bracketed;
  std::string quoted;
  for (int i = 0; list.size() < 5000; ++i) {
    const std::string number = std::to_string(i);
    list += "user" + number + "@example.com,";
    bracketed += "<" + number + "@example.com>";
    quoted += "\"a,b>" + number + ",\\\"c,\"<" + number + "@example.com>,";
  }
  for (const std::string& text : {list, bracketed, quoted}) {
    const std::string folded = refolded("To:" + text + "\n\n");
    const auto lines = base::split(folded, '\n');
    std::string back;
    for (const std::string_view line : lines) {
      const std::string_view content = base::trim(line);
      EXPECT_LE(line.size(), 999U);
      EXPECT_TRUE(content.empty() || content.ends_with(">") || content.ends_with(">,") || content.ends_with("com,"))
          << content;
      back += content;
    }
    EXPECT_EQ(back, "To:" + text);
    EXPECT_GT(lines.size(), 5U);
  }
}

TEST(LongHeaderLines, AreNotFoldedWithinAnEncodedWord) {
  const std::string word = "=?utf-8?q?" + std::string(55, 'x') + "?=";
  std::string words;
  for (int i = 0; i < 50; ++i) words += word;
  const std::string folded = refolded("Subject: " + words + "\n\n");
  for (const std::string_view line : base::split(folded, '\n')) {
    EXPECT_TRUE(line.empty() || base::trim(line).ends_with("x?=")) << line;
  }
  const std::string endless = "=?utf-8?q?" + std::string(3000, 'x') + "?=";
  EXPECT_EQ(refolded("A:" + endless + "\n\n").substr(0, 1000), "A:" + endless.substr(0, 996) + "\r\n");
}

// The line was ended before that word again and again, without end.
TEST(LongHeaderLines, AreFoldedWithinAnEncodedWordThatNoLineCanHold) {
  const std::string word = "=?utf-8?b?" + std::string(2000, 'x') + "?=";
  const std::string rest = word.substr(995);
  EXPECT_EQ(refolded("A: " + word + "\n\n"),
            "A: " + word.substr(0, 995) + "\r\n " + rest.substr(0, 997) + "\r\n " + rest.substr(997) + "\r\n");
  EXPECT_EQ(refolded("A: b\n " + word + "\n\n").substr(0, 1007), "A: b\r\n " + word.substr(0, 997) + "\r\n ");
}

TEST(LongHeaderLines, CostNoMoreThanTheirSize) {
  std::string words;  // that have no end
  const std::size_t size = (test::sanitized ? 1U : 15U) << 20U;
  while (words.size() < size) words += "=?a";
  for (const std::string& text : {std::string(size, 'x'), words}) {
    Header all;
    all.append("A", text);
    EXPECT_LT(test::seconds_of([&] { EXPECT_TRUE(fold_long_lines(all)); }), 5);
  }
}

TEST(LongHeaderLines, AreFoldedAnywhereElseForWantOfABlank) {
  const std::string x(3000, 'x');
  EXPECT_EQ(refolded("A: " + x + "\n\n"), "A: " + x.substr(0, 995) + "\r\n " + x.substr(0, 997) + "\r\n " +
                                              x.substr(0, 997) + "\r\n " + x.substr(0, 11) + "\r\n");
  std::string euros;
  while (euros.size() < 3000) euros += "\xe2\x82\xac";
  const std::string folded = refolded("Subject: x" + euros + "\n\n");
  for (const std::string_view line : base::split(folded, '\n')) EXPECT_TRUE(base::is_utf8(line));
}

TEST(LongHeaderLines, NeverBecomeEmptyOnes) {
  const std::string gap(3000, ' ');
  EXPECT_EQ(refolded("A: b" + gap + "\n\n"), "A: b\r\n");
  EXPECT_EQ(refolded("A: b" + gap + "c\n" + gap + "d\n" + gap + "\n e\n\n"), "A: b c\r\n d\r\n \r\n e\r\n");
  EXPECT_EQ(refolded("A" + gap + ": b\n\n"), "A: b\r\n");
  EXPECT_EQ(refolded(std::string(997, 'n') + ": b\n\n"), std::string(997, 'n') + ":\r\n b\r\n");
  EXPECT_EQ(header(std::string(998, 'n') + ": b\n\n").lines(), "") << "no name, but the body";
}

}  // namespace
}  // namespace pillarbox::mail
