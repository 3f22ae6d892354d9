#include "mail/header.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "base/text.h"

namespace pillarbox::mail {
namespace {

constexpr std::size_t largest_block = 16U << 20U;
constexpr std::size_t most_nuls = 64U << 20U;    // that are dropped: an input of nothing else may never end
constexpr std::size_t nuls_at_hand = 1U << 20U;  // that wait with their line until it shows what it is
constexpr std::size_t longest_start = 65536;     // of a line, until it shows what it is
constexpr std::size_t longest_name = 997;        // with its colon it has to fit a line (RFC 5322 section 2.1.1)

// What a line is can be known before its end: a body of one endless line must not be read into memory to find out.
enum class Line { unknown, empty, field, folding, envelope, body };

// Printable ASCII but the colon (RFC 5322 ftext).
bool is_ftext(char c) {
  return c > ' ' && c < 0x7f && c != ':';
}

// Classifies a line by what of it is there; complete says that its LF is there too (not in the text).
Line classify(std::string_view line, bool complete, bool first) {
  const std::size_t end = line.find_first_not_of('\r');
  if (end == std::string_view::npos) return complete ? Line::empty : Line::unknown;
  // A CR that no LF follows is a blank here, as it is to the normaliser.
  if (base::is_blank(line[0]) || line[0] == '\r') return first ? Line::body : Line::folding;
  const auto name_end = static_cast<std::size_t>(
      std::find_if_not(line.begin(), line.end(), [](char c) { return is_ftext(c); }) - line.begin());
  const std::size_t colon = line.find_first_not_of(" \t\r", name_end);
  if (name_end > longest_name) return Line::body;
  if (colon == std::string_view::npos) return complete ? Line::body : Line::unknown;
  if (line[colon] == ':' && name_end > 0) return Line::field;
  if (first && (line.starts_with("From ") || line.starts_with(">From "))) return Line::envelope;
  return Line::body;
}

// Collects the bytes of a source line by line until the header's end.
class Scanner {
 public:
  Scanner(std::unique_ptr<base::Source> source, Normaliser::Nul nul, Form form)
      : source_(std::move(source)), nul_(nul), raw_(form == Form::raw) {}

  Result<HeaderAndBody> scan() {
    for (;;) {
      const std::size_t end = buffer_.find('\n', at_ + seen_);
      const bool complete = end != std::string::npos || ended_;
      const std::string_view line = std::string_view(buffer_).substr(at_, complete ? end - at_ : std::string::npos);
      if (line.empty() && end == std::string::npos && ended_) return finish(at_);
      const Line kind = kind_of(visible_part(line), complete);
      if (kind == Line::body) return finish(at_);
      const std::size_t next = end == std::string::npos ? buffer_.size() : end + 1;
      if (kind == Line::empty) {
        out_.empty_line = raw_ ? buffer_.substr(at_, next - at_) : "\r\n";
        return finish(next);
      }
      if (!complete) {
        seen_ = line.size();
        if (const auto more = fill(); !more) return more.error();
        continue;
      }
      const auto normal = raw_ ? Result<std::string>(buffer_.substr(at_, next - at_)) : normalised(line);
      if (!normal) return normal.error();
      if (const auto taken = take(*normal, kind); !taken) return taken.error();
      at_ = next;
      seen_ = 0;
      visible_.reset();
    }
  }

 private:
  // The line as it will be: a NUL that is dropped must not hide what a field is.
  std::string_view visible_part(std::string_view line) {
    const std::string_view more = line.substr(seen_);
    if (nul_ != Normaliser::Nul::drop) return line;
    if (!visible_ && more.find('\0') == std::string_view::npos) return line;
    if (!visible_) visible_ = line.substr(0, seen_);
    std::remove_copy(more.begin(), more.end(), std::back_inserter(*visible_), '\0');
    return *visible_;
  }

  // What a line does not show in its beginning it is not: else all of a long one is looked through with each piece.
  [[nodiscard]] Line kind_of(std::string_view line, bool complete) const {
    const bool short_enough = line.size() <= longest_start;
    const Line kind = classify(line.substr(0, longest_start), complete && short_enough, out_.header.fields.empty());
    return kind == Line::unknown && !short_enough ? Line::body : kind;
  }

  // Those of the line at hand that are to be dropped.
  [[nodiscard]] std::size_t nuls() const { return visible_ ? buffer_.size() - at_ - visible_->size() : 0; }

  // They count for nothing, so they must not fill the memory either.
  Result<void> drop_nuls() {
    if (nuls() < nuls_at_hand) return {};
    out_.nuls_dropped += nuls();
    buffer_.replace(at_, std::string::npos, *visible_);
    seen_ = visible_->size();
    visible_.reset();
    if (out_.nuls_dropped <= most_nuls) return {};
    return Error{Error::Kind::data, "there are more than 64 MiB of NULs in front of the body"};
  }

  // The line at hand is all there is.
  Result<void> fill() {
    if (auto dropped = drop_nuls(); !dropped) return dropped;
    if (buffer_.size() - at_ - nuls() + kept_ > largest_block) {
      return Error{Error::Kind::data, "the header is larger than 16 MiB"};
    }
    buffer_.erase(0, at_);
    at_ = 0;
    const std::size_t before = buffer_.size();
    buffer_.resize(before + 16384);
    const auto count = source_->read(std::span(buffer_).subspan(before));
    if (!count) return count.error();
    buffer_.resize(before + *count);
    ended_ = *count == 0;
    return {};
  }

  Result<std::string> normalised(std::string_view line) {
    std::string normal;
    Normaliser normaliser(Normaliser::Part::header, nul_);
    if (auto fed = normaliser.feed(line, normal); !fed) return std::move(fed).error().in("the header");
    normaliser.finish(normal);
    out_.nuls_dropped += normaliser.nuls_dropped();
    return normal;
  }

  Result<void> take(const std::string& normal, Line kind) {
    kept_ += normal.size();
    if (kept_ > largest_block) return Error{Error::Kind::data, "the header is larger than 16 MiB"};
    if (kind == Line::envelope) {
      out_.envelope_line = normal;
    } else if (kind == Line::field) {
      out_.header.fields.push_back({normal});
    } else {
      out_.header.fields.back().raw += normal;
    }
    return {};
  }

  Result<HeaderAndBody> finish(std::size_t body) {
    out_.body = std::make_unique<base::PrefixedSource>(buffer_.substr(body), std::move(source_));
    return std::move(out_);
  }

  std::unique_ptr<base::Source> source_;
  Normaliser::Nul nul_;
  bool raw_;
  HeaderAndBody out_;
  std::string buffer_;                  // what was read and is not taken yet, from at_ on
  std::size_t at_ = 0;                  // where the line at hand begins
  std::size_t seen_ = 0;                // bytes of it that were looked through
  std::optional<std::string> visible_;  // it without NULs, if it has some that are dropped
  std::size_t kept_ = 0;                // bytes of the fields so far
  bool ended_ = false;
};

}  // namespace

std::string_view Field::name() const {
  const std::string_view before = std::string_view(raw).substr(0, raw.find(':'));
  return base::trim(before);
}

std::string_view Field::value() const {
  std::string_view value = std::string_view(raw).substr(value_offset());
  while (value.ends_with('\n') || value.ends_with('\r')) value.remove_suffix(1);
  return value;
}

std::size_t Field::value_offset() const {
  return raw.find(':') + 1;
}

const Field* Header::find(std::string_view name) const {
  const auto found =
      std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return base::iequals(field.name(), name); });
  return found == fields.end() ? nullptr : &*found;
}

void Header::remove(std::string_view name) {
  std::erase_if(fields, [&](const Field& field) { return base::iequals(field.name(), name); });
}

void Header::append(std::string_view name, std::string_view value) {
  fields.push_back({std::string(name) + ": " + std::string(value) + "\r\n"});
}

std::string Header::lines() const {
  std::string out;
  for (const Field& field : fields) out += field.raw;
  return out;
}

std::string Header::text() const {
  return lines() + "\r\n";
}

Result<HeaderAndBody> read_header(std::unique_ptr<base::Source> message, Normaliser::Nul nul, Form form) {
  return Scanner(std::move(message), nul, form).scan();
}

std::string unfolded(std::string_view value) {
  std::string out;
  for (const char c : base::trim(value)) {
    if (c != '\r' && c != '\n') out += c;
  }
  return out;
}

}  // namespace pillarbox::mail
