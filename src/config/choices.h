// Choices: the words of those settings that command lines have too, and what each means.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "config/settings.h"

namespace pillarbox::config {

template <class Meaning>
struct Choice {
  std::string_view word;
  Meaning meaning;
};

inline constexpr auto tls_choices = std::to_array<Choice<Tls>>({
    {"starttls", Tls::starttls},
    {"implicit", Tls::implicit},
    {"opportunistic", Tls::opportunistic},
    {"off", Tls::off},
});

inline constexpr auto tls_versions = std::to_array<Choice<TlsVersion>>({
    {"1.0", TlsVersion::v1_0},
    {"1.1", TlsVersion::v1_1},
    {"1.2", TlsVersion::v1_2},
    {"1.3", TlsVersion::v1_3},
});

// RFC 3461's RET.
inline constexpr auto dsn_returns = std::to_array<Choice<std::string_view>>({{"headers", "HDRS"}, {"full", "FULL"}});

// The choice of that word; null if there is none.
template <class Choices>
const typename Choices::value_type* find_choice(const Choices& choices, std::string_view word) {
  const auto found = std::find_if(choices.begin(), choices.end(), [&](const auto& each) { return each.word == word; });
  return found == choices.end() ? nullptr : &*found;
}

}  // namespace pillarbox::config
