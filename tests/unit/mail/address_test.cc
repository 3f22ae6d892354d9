#include "mail/address.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "mail/envelope.h"
#include "support.h"

namespace pillarbox::mail {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using test::contains;
using test::fails_as;
using test::succeeds;

constexpr auto data = Error::Kind::data;

// The addresses of a list, joined by blanks; "!" and the error's text if it is refused.
std::string read(std::string_view text) {
  const auto list = parse_list(text);
  if (!list) return "!" + list.error().text;
  std::string out;
  for (const Mailbox& mailbox : *list) out += (out.empty() ? "" : " ") + mailbox.address.path();
  return out;
}

// The display names of a list, each in brackets.
std::string names(std::string_view text) {
  const auto list = parse_list(text);
  if (!list) return "!" + list.error().text;
  std::string out;
  for (const Mailbox& mailbox : *list) out += "[" + mailbox.display_name + "]";
  return out;
}

bool refused(std::string_view text) {
  const auto list = parse_list(text);
  return !list && list.error().kind == data;
}

Address address(std::string_view text) {
  return *Address::parse(text);
}

struct Form {
  const char* text;
  const char* addresses;
};

void PrintTo(const Form& form, std::ostream* out) {
  *out << '"' << form.text << '"';
}

class AcceptedForm : public ::testing::TestWithParam<Form> {};

TEST_P(AcceptedForm, YieldsItsAddresses) {
  EXPECT_EQ(read(GetParam().text), GetParam().addresses);
}

INSTANTIATE_TEST_SUITE_P(
    Simple, AcceptedForm,
    ::testing::Values(Form{"a@b.example", "<a@b.example>"}, Form{"<a@b.example>", "<a@b.example>"},
                      Form{"root", "<root>"}, Form{"<root>", "<root>"},
                      Form{"A.B+c=d/e@B.Example", "<A.B+c=d/e@B.Example>"},
                      Form{"user%host@gw.example", "<user%host@gw.example>"}, Form{"host!user", "<host!user>"},
                      Form{"!#$%&'*+/=?^_`{|}~@b.example", "<!#$%&'*+/=?^_`{|}~@b.example>"},
                      Form{"a@[192.0.2.1]", "<a@[192.0.2.1]>"}, Form{"a@[IPv6:2001:db8::1]", "<a@[IPv6:2001:db8::1]>"},
                      Form{"a@host_1.example", "<a@host_1.example>"}, Form{"a@localhost", "<a@localhost>"},
                      Form{"  a@b.example\t", "<a@b.example>"}));

INSTANTIATE_TEST_SUITE_P(Lists, AcceptedForm,
                         ::testing::Values(Form{"", ""}, Form{"  ", ""}, Form{",", ""}, Form{" , ,, ", ""},
                                           Form{"(nobody)", ""}, Form{"a@b.c,d@e.f", "<a@b.c> <d@e.f>"},
                                           Form{",a@b.c,,d@e.f,", "<a@b.c> <d@e.f>"},
                                           Form{"a@b.c; d@e.f;", "<a@b.c> <d@e.f>"}, Form{"a, b, c", "<a> <b> <c>"},
                                           Form{"a@b.c, a@b.c", "<a@b.c> <a@b.c>"},
                                           Form{"A B <a@b.c>, \"C, D\" <c@d.e>", "<a@b.c> <c@d.e>"}));

INSTANTIATE_TEST_SUITE_P(
    Groups, AcceptedForm,
    ::testing::Values(Form{"undisclosed-recipients:;", ""}, Form{"undisclosed-recipients: ;", ""},
                      Form{"Team: a@b.c, D <d@e.f>;", "<a@b.c> <d@e.f>"}, Form{"Team:a@b.c;,x@y.z", "<a@b.c> <x@y.z>"},
                      Form{"\"The, Team\": a@b.c;", "<a@b.c>"}, Form{"The big Team: a@b.c", "<a@b.c>"},
                      Form{"x@y.z, Team: a@b.c;, p@q.r", "<x@y.z> <a@b.c> <p@q.r>"},
                      Form{"A: a@b.c; B: d@e.f;", "<a@b.c> <d@e.f>"}, Form{"Team (us): ,a@b.c,;", "<a@b.c>"}));

INSTANTIATE_TEST_SUITE_P(
    Comments, AcceptedForm,
    ::testing::Values(Form{"root (Cron Daemon)", "<root>"}, Form{"(Cron) root", "<root>"},
                      Form{"a@b.c (one (two (three) two) one)", "<a@b.c>"}, Form{"a@b.c (with \\) inside)", "<a@b.c>"},
                      Form{"a@b.c (with \\( inside)", "<a@b.c>"}, Form{"a@b.c (\"quoted, (nested)\")", "<a@b.c>"},
                      Form{"a(one)@(two)b(three).(four)c(five)", "<a@b.c>"}, Form{"(x)<(y)a@b.c(z)>(w)", "<a@b.c>"},
                      Form{"a@b.c (a, b <x@y.z>)", "<a@b.c>"}, Form{"a@b.c (\xc3\xa9t\xc3\xa9)", "<a@b.c>"}));

INSTANTIATE_TEST_SUITE_P(
    ObsoleteForms, AcceptedForm,
    ::testing::Values(Form{"a . b @ c . d", "<a.b@c.d>"}, Form{"a .b@c .d", "<a.b@c.d>"}, Form{"a@ b.c", "<a@b.c>"},
                      Form{"<a @b.c>", "<a@b.c>"}, Form{"< a@b.c >", "<a@b.c>"}, Form{"<@r.example:a@b.c>", "<a@b.c>"},
                      Form{"<@r.example,@s.example:a@b.c>", "<a@b.c>"},
                      Form{"J. R. Ewing <jr@e.example>", "<jr@e.example>"}, Form{"<@a:b@c>, d@e.f", "<b@c> <d@e.f>"},
                      Form{"X <@[192.0.2.1]:b@c>", "<b@c>"}, Form{"a@[ 192.0.2.1 ]", "<a@[192.0.2.1]>"},
                      Form{"a@[192.0.2.1\r\n ]", "<a@[192.0.2.1]>"}));

INSTANTIATE_TEST_SUITE_P(Folded, AcceptedForm,
                         ::testing::Values(Form{"a@b.c,\r\n d@e.f", "<a@b.c> <d@e.f>"},
                                           Form{"a@b.c,\n\td@e.f", "<a@b.c> <d@e.f>"}, Form{"\r\n a@b.c", "<a@b.c>"},
                                           Form{"a@b.c\r\n ", "<a@b.c>"}, Form{"\"A\r\n B\" <a@b.c>", "<a@b.c>"},
                                           Form{"a@b.c (one\r\n two)", "<a@b.c>"},
                                           Form{"A\r\n B\r\n\t<a@b.c>", "<a@b.c>"}));

INSTANTIATE_TEST_SUITE_P(
    Quoting, AcceptedForm,
    ::testing::Values(Form{"\"a b\"@c.d", "<\"a b\"@c.d>"}, Form{"\"abc\"@c.d", "<abc@c.d>"},
                      Form{"\"a.b\"@c.d", "<a.b@c.d>"}, Form{"\"a\\b\"@c.d", "<ab@c.d>"},
                      Form{"\"a\\\"b\"@c.d", "<\"a\\\"b\"@c.d>"}, Form{"\"a\\\\b\"@c.d", "<\"a\\\\b\"@c.d>"},
                      Form{"\"a@x\"@c.d", "<\"a@x\"@c.d>"}, Form{"\"a>b\"@c.d", "<\"a>b\"@c.d>"},
                      Form{"\"a,b\"@c.d, e@f.g", "<\"a,b\"@c.d> <e@f.g>"}, Form{"\"(x)\"@c.d", "<\"(x)\"@c.d>"},
                      Form{"\"a\".b.\"c\"@d.e", "<a.b.c@d.e>"}, Form{"\"a b\".c@d.e", "<\"a b.c\"@d.e>"},
                      Form{"\"a..b\"@d.e", "<\"a..b\"@d.e>"}, Form{"\".a\"@d.e", "<\".a\"@d.e>"},
                      Form{"\"a.\"@d.e", "<\"a.\"@d.e>"}, Form{"\\root", "<root>"}, Form{"\"root\"", "<root>"}));

class RefusedForm : public ::testing::TestWithParam<const char*> {};

TEST_P(RefusedForm, IsData) {
  EXPECT_TRUE(refused(GetParam())) << read(GetParam());
}

INSTANTIATE_TEST_SUITE_P(Malformed, RefusedForm,
                         ::testing::Values("a b", "a b@c.d", "a@b.c d@e.f", "<a@b.c> d", "<a@b.c> d@e.f", "<a@b.c>x",
                                           "A <a@b.c> B", "<a@b.c><d@e.f>", "<a b@c.d>", "<>", "A <>", "<@>", "@b.c",
                                           "a@", "a@@b.c", "a@b@c", "<a@b.c", "a@b.c>", "<<a@b.c>>", "A <B <a@b.c>>",
                                           "\"a\"b@c.d", "a\"b\"@c.d", "\"a\"\"b\"@c.d", "\"a@b.c", "\"a\\\"@b.c",
                                           "a@b.c (open", "a@b.c (a (b)", "a@b.c )", "a)b@c.d", "a@[192.0.2.1",
                                           "a@192.0.2.1]", "a@[]", "a@[192.0.2. 1]", "a@b.[192.0.2.1]", "a@b..c",
                                           "a@.b", "a@b.", "a@-b.c", "a@b-.c", "a@b c", "<@r.example a@b.c>",
                                           "<@r.example>", "<a@b.c, d@e.f>", ":", "Team <a@b.c>:;", "a\\", "\\",
                                           "a@b/c", "a@b:25", "a@b.c:", "a@b=c", "a@\"b\"", "a@b%c", "a@b!c"));

INSTANTIATE_TEST_SUITE_P(NamesInjection, RefusedForm,
                         ::testing::Values("a@b.c> SIZE=1", "<a@b.c> SIZE=1", "a@b.c>\r\nRCPT TO:<x@y.z",
                                           "a@b.c\r\nDATA", "a@b.c\nDATA", "a@b.c\rDATA", "\"a\r\nb\"@c.d", "a@b\r\n.c",
                                           "a@b.c\r\n", "a@b.c\n", "a@b.c\r", "a@b.c,\r\nd@e.f", "a@[1.2.3.4]\r\n",
                                           "a\\\r\n@b.c", "\"a\\\r\n\"@b.c", "\"a\\\n\"@b.c", "(\\\n)a@b.c"));

TEST(AddressList, NamesTheTextItRefuses) {
  const auto list = parse_list("good@b.c, bad one@b.c");
  ASSERT_TRUE(fails_as(list, data));
  EXPECT_TRUE(contains(list.error().text, "bad one@b.c")) << list.error().text;
}

TEST(AddressList, NamesTheOneAddressThatItRefuses) {
  for (const auto& [list, named] : std::vector<std::pair<std::string, std::string>>{
           {"a@x.test, bad@@x, c@x.test", "address bad@@x: "},
           {"a@x.test, Team: b@x.test, two words; c@x.test", "address \"two words\": "},
           {"a@x.test, <b@x.test, c@x.test", "address \"<b@x.test, c@x.test\": "},
           {"a@x.test, \"b@x.test, c@x.test", "address \"\\\"b@x.test, c@x.test\": "},
           {"a@x.test, b(@x.test, c@x.test", "address \"b(@x.test, c@x.test\": "},
           {"a@x.test, b\x01@x.test, c@x.test", "address \"b\\x01@x.test\": "},
           {"a@x.test, Al <>, c@x.test", "address \"Al <>\": "},
           {"a@x.test, b@-x, c@x.test", "address b@-x: "}}) {
    const auto parsed = parse_list(list);
    ASSERT_FALSE(parsed) << list;
    EXPECT_TRUE(parsed.error().text.starts_with(named)) << parsed.error().text;
  }
}

TEST(AddressList, EscapesTheTextItRefuses) {
  const auto list = parse_list("a\x1b[31m\r\nb@c.d");
  ASSERT_TRUE(fails_as(list, data));
  for (const char c : list.error().text) EXPECT_FALSE(base::is_control(c)) << list.error().text;
}

// Only a line end before a blank may be accepted, as folding; and nothing of it may reach an address.
TEST(AddressList, ShowsTheControlByteThatItRefuses) {
  EXPECT_EQ(parse_list("a@x.test\r").error().text, "address \"a@x.test\\r\": control characters are not allowed");
  EXPECT_EQ(parse_list(" \ra@x.test").error().text, "address \"\\ra@x.test\": control characters are not allowed");
}

TEST(AddressList, HoldsNoControlByteWhereverItStands) {
  const std::vector<std::string> templates = {"abc@def.example",
                                              "<abc@def.example>",
                                              "A B <abc@def.example>",
                                              "\"A B\" <abc@d.example>",
                                              "\"a b\"@d.example",
                                              "abc@[192.0.2.1]",
                                              "Team: abc@d.example, x;",
                                              "abc@d.example (a (b) c)",
                                              "\\root",
                                              "<@r.example:a@b.example>",
                                              "J\xc3\xb6rg <j@\xc3\xb6.example>"};
  for (const std::string& text : templates) {
    ASSERT_FALSE(refused(text)) << text;
    for (std::size_t at = 0; at <= text.size(); ++at) {
      for (int code = 0; code < 0x21; ++code) {
        const char c = code == 0x20 ? '\x7f' : static_cast<char>(code);
        if (c == '\t') continue;
        std::string bad = text;
        bad.insert(at, 1, c);
        const bool folding = c == '\n' && at < text.size() && base::is_blank(text[at]);
        if (folding) {
          EXPECT_FALSE(refused(bad)) << base::escape(bad);
        } else {
          EXPECT_TRUE(refused(bad)) << base::escape(bad);
        }
      }
      std::string bad = text;
      bad.insert(at, "\r\n");
      const bool folding = at < text.size() && base::is_blank(text[at]);
      EXPECT_EQ(refused(bad), !folding) << base::escape(bad);
    }
  }
}

TEST(AddressList, TakesATabForABlankButNeverIntoAnAddress) {
  EXPECT_EQ(read("a@b.c,\td@e.f"), "<a@b.c> <d@e.f>");
  EXPECT_TRUE(refused("\"a\tb\"@c.d"));
  EXPECT_TRUE(refused("a\tb@c.d"));
}

TEST(AddressList, ReadsDisplayNamesWithoutTheirQuoting) {
  EXPECT_EQ(names("Alice <a@b.c>"), "[Alice]");
  EXPECT_EQ(names("Alice  van   Dyke <a@b.c>"), "[Alice van Dyke]");
  EXPECT_EQ(names("\"Dyke, Alice\" <a@b.c>, b@c.d"), "[Dyke, Alice][]");
  EXPECT_EQ(names("\"a \\\"b\\\" c\" <a@b.c>"), "[a \"b\" c]");
  EXPECT_EQ(names("J. R. Ewing <a@b.c>"), "[J. R. Ewing]");
  EXPECT_EQ(names("J\xc3\xb6rg <a@b.c>"), "[J\xc3\xb6rg]");
  EXPECT_EQ(names("=?UTF-8?Q?J=C3=B6rg?= <a@b.c>"), "[=?UTF-8?Q?J=C3=B6rg?=]");
  EXPECT_EQ(names("(comment) Alice (more) <a@b.c>"), "[Alice]");
  EXPECT_EQ(names("root (Cron Daemon)"), "[]");
  EXPECT_EQ(names("Alice\r\n Dyke <a@b.c>"), "[Alice Dyke]");
}

TEST(AddressList, SaysWhereADomainIsToBeInserted) {
  struct Case {
    std::string text;
    std::string whole;
  };
  const std::vector<Case> cases = {
      {"root", "root@d"},
      {"  root  ", "  root@d  "},
      {"root (Cron Daemon)", "root@d (Cron Daemon)"},
      {"(Cron) root", "(Cron) root@d"},
      {"Alice <alice>, bob@b, carol", "Alice <alice@d>, bob@b, carol@d"},
      {"Team: alice, bob;", "Team: alice@d, bob@d;"},
      {"\"a b\"", "\"a b\"@d"},
      {"\"a b\" <\"c d\">", "\"a b\" <\"c d\"@d>"},
      {"a . b , c", "a . b@d , c@d"},
      {"a,\r\n b", "a@d,\r\n b@d"},
      {"<@r.example:a>", "<@r.example:a@d>"},
      {"a(x),b(y)", "a@d(x),b@d(y)"},
      {"J\xc3\xb6rg <j>", "J\xc3\xb6rg <j@d>"},
      {"\\root", "\\root@d"},
  };
  for (const Case& c : cases) {
    const auto list = parse_list(c.text);
    ASSERT_TRUE(succeeds(list)) << c.text;
    std::string whole = c.text;
    for (auto mailbox = list->rbegin(); mailbox != list->rend(); ++mailbox) {
      ASSERT_LE(mailbox->begin, mailbox->end);
      ASSERT_LE(mailbox->end, c.text.size());
      if (mailbox->address.domain().empty()) whole.insert(mailbox->end, "@d");
    }
    EXPECT_EQ(whole, c.whole);
    const auto again = parse_list(whole);
    ASSERT_TRUE(succeeds(again)) << whole;
    ASSERT_EQ(again->size(), list->size());
    for (const Mailbox& mailbox : *again) EXPECT_FALSE(mailbox.address.domain().empty()) << whole;
  }
}

TEST(AddressList, TellsAnEscapedName) {
  EXPECT_TRUE(parse_list("\\root")->front().escaped);
  EXPECT_TRUE(parse_list("Cron <\\root>")->front().escaped);
  EXPECT_FALSE(parse_list("root")->front().escaped);
  EXPECT_FALSE(parse_list("ro\\ot")->front().escaped);
  EXPECT_FALSE(parse_list("\"\\root\"")->front().escaped);
}

TEST(AddressList, ReadsTenThousandRecipients) {
  std::string text;
  for (int i = 0; i < 10000; ++i) text += "user" + std::to_string(i) + "@example.com, ";
  const auto list = parse_list(text);
  ASSERT_TRUE(succeeds(list));
  EXPECT_EQ(list->size(), 10000U);
}

TEST(AddressList, SurvivesDeepNesting) {
  const std::string deep(100000, '(');
  EXPECT_TRUE(refused(deep));
  EXPECT_EQ(read(deep + std::string(100000, ')') + "a@b.c"), "<a@b.c>");
  EXPECT_TRUE(refused(std::string(100000, '<')));
  EXPECT_TRUE(refused(std::string(100000, '"') + "\\"));
}

TEST(Address, IsExactlyOne) {
  EXPECT_TRUE(succeeds(Address::parse("a@b.c")));
  EXPECT_TRUE(succeeds(Address::parse(" <a@b.c> (me)")));
  for (const char* text : {"", " ", ",", "a@b.c,d@e.f", "Team:;", "<>", "Team: a, b;"}) {
    EXPECT_TRUE(fails_as(Address::parse(text), data)) << text;
  }
}

TEST(Address, RefusesALeadingDash) {
  for (const char* text : {"-a@b.c", "-", "<-a@b.c>", "\"-a\"@b.c", "-oQ/tmp", "--", "\\-a@b.c", "Name <-x@y.z>"}) {
    EXPECT_TRUE(fails_as(Address::parse(text), data)) << text;
  }
  EXPECT_TRUE(succeeds(Address::parse("a-b@c.d")));
}

TEST(Address, IsAtMost320BytesLong) {
  const std::string domain = "@" + std::string(60, 'd') + ".example";
  EXPECT_TRUE(succeeds(Address::parse(std::string(320 - domain.size(), 'a') + domain)));
  EXPECT_TRUE(fails_as(Address::parse(std::string(321 - domain.size(), 'a') + domain), data));
  EXPECT_TRUE(fails_as(Address::parse(std::string(1 << 20, 'a') + "@b.c"), data));
  EXPECT_TRUE(fails_as(Address::make(std::string(321, 'a'), ""), data));
}

TEST(Address, StaysShortWhenItsErrorNamesIt) {
  const auto address = Address::parse(std::string(1 << 20, 'a') + "@b.c");
  ASSERT_TRUE(fails_as(address, data));
  EXPECT_LT(address.error().text.size(), 2000U);
}

// What the class promises holds for what goes out, quoting and A-labels included.
TEST(Address, IsAtMost320BytesLongAsItGoesOut) {
  for (const std::string& local : {std::string(200, '"'), std::string(316, ' '), std::string(200, '\\')}) {
    const auto address = Address::make(local, "b.c");
    if (address) {
      EXPECT_LE(address->text().size(), 320U);
    }
  }
  std::string domain;
  for (int i = 0; i < 20; ++i) domain += "\xc3\xb6" + std::string(i % 2 ? "a." : "b.");
  const auto address = Address::make(std::string(320 - 1 - domain.size() - 7, 'a'), domain + "example");
  if (address) {
    EXPECT_LE(address->text().size(), 320U);
  }
}

TEST(Address, KeepsAnInternationalDomainAsALabels) {
  EXPECT_EQ(address("a@m\xc3\xbcnchen.example").text(), "a@xn--mnchen-3ya.example");
  EXPECT_EQ(address("a@M\xc3\x9cNCHEN.example").text(), "a@xn--mnchen-3ya.example");
  EXPECT_EQ(address("a@stra\xc3\x9f"
                    "e.example")
                .text(),
            "a@xn--strae-oqa.example");
  EXPECT_EQ(address("a@\xe4\xbe\x8b\xe3\x81\x88.\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88").text(),
            "a@xn--r8jz45g.xn--zckzah");
  EXPECT_EQ(address("a@xn--mnchen-3ya.example").text(), "a@xn--mnchen-3ya.example");
  EXPECT_FALSE(address("a@m\xc3\xbcnchen.example").needs_smtputf8());
  EXPECT_TRUE(fails_as(Address::parse("a@\xc3\xbc\xff.example"), data));
  // A full-width "@", a full-width dot's neighbours and blanks must not come out of the mapping as ASCII marks.
  for (const char* text : {"a@b\xef\xbc\xa0"
                           "c.example",
                           "a@b\xe3\x80\x80"
                           "c.example",
                           "a@b\xef\xbc\x9e.example"}) {
    const auto mapped = Address::parse(text);
    if (mapped) {
      EXPECT_EQ(mapped->domain().find_first_of("@ <>"), std::string::npos) << text;
    }
  }
}

TEST(Address, NeedsSmtputf8ForALocalPartThatIsNotAscii) {
  EXPECT_TRUE(address("j\xc3\xb6rg@b.c").needs_smtputf8());
  EXPECT_EQ(address("j\xc3\xb6rg@b.c").path(), "<j\xc3\xb6rg@b.c>");
  EXPECT_TRUE(address("\"j \xc3\xb6\"@b.c").needs_smtputf8());
  EXPECT_FALSE(address("jorg@b.c").needs_smtputf8());
  EXPECT_TRUE(fails_as(Address::parse("j\xf6rg@b.c"), data)) << "Latin-1 is not UTF-8";
}

TEST(Address, ChecksItsDomain) {
  EXPECT_TRUE(succeeds(Address::make("a", std::string(63, 'b') + ".c")));
  EXPECT_TRUE(fails_as(Address::make("a", std::string(64, 'b') + ".c"), data));
  std::string labels;
  while (labels.size() < 256) labels += "label.";
  EXPECT_TRUE(fails_as(Address::make("a", labels + "c"), data));
  for (const char* domain : {".", "b.", ".b", "b..c", "-b", "b-", "b c", "b>c", "[", "[]", "[1.2.3.4", "[a b]", "[a]b]",
                             "b\r\nc", "b\\c", "b\"c", "b@c"}) {
    EXPECT_TRUE(fails_as(Address::make("a", domain), data)) << domain;
  }
}

TEST(Address, IsMadeOfPartsInTheShortestQuoting) {
  EXPECT_EQ(Address::make("a", "b.c")->text(), "a@b.c");
  EXPECT_EQ(Address::make("a b", "b.c")->text(), "\"a b\"@b.c");
  EXPECT_EQ(Address::make("a\"b\\c", "b.c")->text(), "\"a\\\"b\\\\c\"@b.c");
  EXPECT_EQ(Address::make("a@b", "")->text(), "\"a@b\"");
  EXPECT_EQ(Address::make("a.b", "b.c")->text(), "a.b@b.c");
  EXPECT_EQ(Address::make("a,b", "b.c")->text(), "\"a,b\"@b.c");
  EXPECT_TRUE(fails_as(Address::make("", "b.c"), data));
  EXPECT_TRUE(fails_as(Address::make("a\0b"sv, "b.c"), data));
  EXPECT_TRUE(fails_as(Address::make("a", "b\0c"sv), data));
}

TEST(Address, HasOneKeyAMailbox) {
  const auto key = [](std::string_view text) { return Address::parse(text)->key(); };
  EXPECT_EQ(key("a@B.example"), key("<\"a\"@b.EXAMPLE>"));
  EXPECT_NE(key("a@b.example"), key("A@b.example"));
  EXPECT_NE(key("a@b.example"), key("a"));
}

TEST(Address, ReadsBackWhatItWrites) {
  for (const char* local :
       {"a", "a b", "a\"b", "a\\b", "a@b", "a>b", "(a)", "a,b", ".a", "a..b", "j\xc3\xb6", " ", "\""}) {
    const auto made = Address::make(local, "b.c");
    ASSERT_TRUE(succeeds(made)) << local;
    for (const std::string& text : {made->text(), made->path()}) {
      const auto again = Address::parse(text);
      ASSERT_TRUE(succeeds(again)) << text;
      EXPECT_EQ(again->text(), made->text());
    }
  }
}

TEST(Address, GetsADomainOnlyIfItHasNone) {
  EXPECT_EQ(address("root").qualified("b.c")->text(), "root@b.c");
  EXPECT_EQ(address("root@x.y").qualified("b.c")->text(), "root@x.y");
  EXPECT_EQ(address("\"a b\"").qualified("b.c")->text(), "\"a b\"@b.c");
  EXPECT_EQ(address("\"a\\\"b\"").qualified("b.c")->text(), "\"a\\\"b\"@b.c");
  EXPECT_TRUE(fails_as(address("root").qualified("b c"), data));
}

TEST(Address, StaysWithinItsLengthWhenItGetsADomain) {
  std::string domain;
  for (int i = 0; i < 40; ++i) domain += "label.";
  const auto whole = address(std::string(300, 'a')).qualified(domain + "example");
  if (whole) {
    EXPECT_LE(whole->text().size(), 320U);
  }
}

// --- phrase

std::string decoded(std::string_view words) {
  std::string out;
  while (!words.empty()) {
    constexpr std::string_view opening = "=?UTF-8?B?";
    if (!words.starts_with(opening)) return "not an encoded word: " + std::string(words);
    const std::size_t end = words.find("?=", opening.size());
    if (end == std::string_view::npos) return "open";
    if (end + 2 > 75) return "too long";
    std::string part;
    unsigned bits = 0;
    int have = 0;
    for (const char c : words.substr(opening.size(), end - opening.size())) {
      constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
      if (c == '=') continue;
      bits = bits << 6 | static_cast<unsigned>(digits.find(c));
      have += 6;
      if (have >= 8) {
        have -= 8;
        part += static_cast<char>(bits >> have & 0xff);
      }
    }
    if (!base::is_utf8(part)) return "split within a character";
    out += part;
    words.remove_prefix(end + 2);
    const std::size_t next = std::min(words.find_first_not_of(" \r\n\t"), words.size());
    if (next == 0 && !words.empty()) return "words that touch";
    words.remove_prefix(next);
  }
  return out;
}

TEST(Phrase, StaysAsItIsWhereAtomsSuffice) {
  EXPECT_EQ(phrase("Alice Dyke"), "Alice Dyke");
  EXPECT_EQ(phrase("root"), "root");
}

TEST(Phrase, IsQuotedWhereMarksAreInIt) {
  EXPECT_EQ(phrase("Dyke, Alice"), "\"Dyke, Alice\"");
  EXPECT_EQ(phrase("J. R."), "\"J. R.\"");
  EXPECT_EQ(phrase("a \"b\" \\c"), "\"a \\\"b\\\" \\\\c\"");
  EXPECT_EQ(phrase("a@b"), "\"a@b\"");
  EXPECT_EQ(phrase("(x)"), "\"(x)\"");
}

TEST(Phrase, IsEncodedInWordsThatEndBetweenCharacters) {
  EXPECT_EQ(phrase("J\xc3\xb6rg"), "=?UTF-8?B?SsO2cmc=?=");
  for (std::size_t shift = 0; shift < 4; ++shift) {
    for (const char* character : {"\xc3\xb6", "\xe4\xbe\x8b", "\xf0\x9f\x93\xae"}) {
      std::string name(shift, 'x');
      for (int i = 0; i < 60; ++i) name += character;
      EXPECT_EQ(decoded(phrase(name)), name);
    }
  }
}

TEST(Phrase, IsEncodedAndFoldedWhereItIsLong) {
  EXPECT_EQ(phrase(std::string(75, 'x')), std::string(75, 'x'));
  const std::string name(1000, 'x');
  EXPECT_EQ(decoded(phrase(name)), name);
  const std::string folded = phrase(name);
  for (const std::string_view line : base::split(folded, '\n')) EXPECT_LE(line.size(), 76 - 13 + 1) << line;
}

TEST(Phrase, ClaimsNoCharsetForWhatIsNotUtf8) {
  EXPECT_EQ(phrase("J\xf6rg"), "=?unknown-8bit?B?SvZyZw==?=");
  const std::string words = phrase(std::string(100, '\x80'));
  const auto lines = base::split(words, '\n');
  EXPECT_EQ(lines.size(), 4U);
  for (const std::string_view line : lines) EXPECT_LE(base::trim(line).size() + 13, 76U) << line;
}

TEST(Phrase, ReadsBackAsTheDisplayName) {
  for (const char* name : {"Alice", "Dyke, Alice", "a \"b\" \\c", "J. R. Ewing", "x@y", "a;b:c", "(x"}) {
    const auto list = parse_list(phrase(name) + " <a@b.c>");
    ASSERT_TRUE(succeeds(list)) << phrase(name);
    EXPECT_EQ(list->front().display_name, name);
  }
}

TEST(Phrase, LetsNoLineEndIntoTheHeader) {
  for (const std::string& name : {std::string("a\r\nBcc: x@y.z"), std::string("a\nb"), std::string("a\rb"), "a\0b"s}) {
    EXPECT_EQ(phrase(name).find_first_of("\r\n\0"sv), std::string::npos) << base::escape(phrase(name));
  }
}

// --- the null sender, and each recipient once

TEST(ReversePath, IsNullForNothingAndForEmptyBrackets) {
  EXPECT_TRUE(ReversePath::parse("")->is_null());
  EXPECT_TRUE(ReversePath::parse("<>")->is_null());
  EXPECT_EQ(ReversePath::parse("<>")->path(), "<>");
  EXPECT_EQ(ReversePath().path(), "<>");
}

TEST(ReversePath, IsAnAddressOtherwise) {
  EXPECT_EQ(ReversePath::parse("a@b.c")->path(), "<a@b.c>");
  EXPECT_EQ(ReversePath::parse("<a@b.c>")->path(), "<a@b.c>");
  EXPECT_EQ(ReversePath::parse("root")->path(), "<root>");
  for (const char* text : {"<", "< >x", "<>\r\n", "\r\n", "a@b.c\r\n", "a@b.c, d@e.f", "-f@b.c", "<>x"}) {
    EXPECT_TRUE(fails_as(ReversePath::parse(text), data)) << text;
  }
}

TEST(Envelope, HasARecipient) {
  EXPECT_TRUE(fails_as(Envelope::make(ReversePath(), {}), Error::Kind::usage));
}

TEST(Envelope, HasEachRecipientOnce) {
  const auto envelope = Envelope::make(
      ReversePath(), {address("a@b.c"), address("A@b.c"), address("a@B.C"), address("x"), address("\"a\"@b.c"),
                      address("x"), address("\"a b\"@b.c"), address("\"a b\"@B.c")});
  ASSERT_TRUE(succeeds(envelope));
  std::string all;
  for (const Address& recipient : envelope->recipients()) all += recipient.path();
  EXPECT_EQ(all, "<a@b.c><A@b.c><x><\"a b\"@b.c>");
}

TEST(Envelope, KnowsWhetherAnAddressNeedsSmtputf8) {
  const Address ascii = address("a@b.c");
  const Address other = address("\xc3\xb6@b.c");
  EXPECT_FALSE(Envelope::make(ReversePath(ascii), {ascii})->needs_smtputf8());
  EXPECT_TRUE(Envelope::make(ReversePath(other), {ascii})->needs_smtputf8());
  EXPECT_TRUE(Envelope::make(ReversePath(), {ascii, other})->needs_smtputf8());
}

}  // namespace
}  // namespace pillarbox::mail
