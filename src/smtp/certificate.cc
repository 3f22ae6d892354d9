#include "smtp/certificate.h"

#include <algorithm>

#include "base/clock.h"

namespace pillarbox::smtp {
namespace {

constexpr std::size_t most_names = 20;  // that are listed; a provider's certificate may have hundreds

std::string names_of(const Certificate& certificate) {
  if (certificate.names.empty()) return "it names no host; its subject is " + certificate.subject;
  std::string out = "it is for ";
  for (std::size_t i = 0; i < certificate.names.size() && i < most_names; ++i) {
    out += (i == 0 ? "" : ", ") + certificate.names[i];
  }
  const std::size_t more = certificate.names.size() - std::min(certificate.names.size(), most_names);
  return more == 0 ? out : out + " and " + std::to_string(more) + " more";
}

std::string dates_of(const Presented& presented) {
  const Certificate& certificate = presented.chain[presented.at_fault];
  const std::string whose = presented.at_fault == 0 ? "it" : certificate.subject;
  return whose + " is valid from " + base::iso8601_utc(certificate.not_before) + " to " +
         base::iso8601_utc(certificate.not_after);
}

}  // namespace

std::string clue(const Presented& presented) {
  switch (presented.trouble) {
    case Presented::Trouble::none:
      return names_of(presented.own());
    case Presented::Trouble::not_yet_valid:
    case Presented::Trouble::expired:
      return dates_of(presented);
    case Presented::Trouble::untrusted:
      return "its SHA-256 fingerprint is " + presented.own().fingerprint;
  }
  return {};
}

std::string clue_for_pin(const Presented& presented) {
  return "it is " + presented.own().pin;
}

}  // namespace pillarbox::smtp
