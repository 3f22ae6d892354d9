#include "app/discover.h"

#include <tuple>

#include "base/text.h"
#include "config/place.h"

namespace pillarbox::app {

Result<std::optional<Found>> discover(const std::string& domain, const Wanted& wanted, const base::Dns& dns) {
  std::optional<Found> best;
  std::tuple<int, bool, int> best_rank;  // the least is the best
  for (const config::Tls tls : {config::Tls::implicit, config::Tls::starttls}) {
    const bool later = tls == config::Tls::starttls;
    if (wanted.tls && later == (wanted.tls == config::Tls::implicit)) continue;
    const auto records = dns.srv((later ? "_submission._tcp." : "_submissions._tcp.") + domain);
    if (!records) return records.error();
    for (const base::Srv& record : *records) {
      const auto place = config::parse_place(record.target);
      if (!place || place->port || record.port == 0) continue;
      if (wanted.port && *wanted.port != record.port) continue;
      const std::tuple rank(record.priority, later, -record.weight);
      if (best && best_rank <= rank) continue;
      best = Found{.host = place->host, .port = record.port, .tls = tls};
      best_rank = rank;
    }
  }
  return best;
}

bool belongs_to(std::string_view host, std::string_view domain) {
  return base::iequals(host, domain) ||
         (host.size() > domain.size() && base::iequals(host.substr(host.size() - domain.size()), domain) &&
          host[host.size() - domain.size() - 1] == '.');
}

}  // namespace pillarbox::app
