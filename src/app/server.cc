#include "app/server.h"

#include "base/text.h"
#include "config/place.h"

namespace pillarbox::app {

Result<Server> parse_server(std::string_view text) {
  Server server;
  std::string_view rest = text;
  if (base::istarts_with(rest, "smtps://")) {
    server.implicit_tls = true;
    rest.remove_prefix(8);
  } else if (base::istarts_with(rest, "smtp://")) {
    rest.remove_prefix(7);
  }
  if (rest.find_first_of("/?#@") != std::string_view::npos) {
    return Error{Error::Kind::usage, base::quote(text) + ": a server has a host and a port, no path, user or query"};
  }
  auto place = config::parse_place(rest);
  if (!place) return std::move(place).error();
  server.host = std::move(place->host);
  server.port = place->port;
  return server;
}

Result<smtp::Proxy> parse_proxy(const base::Secret& text) {
  auto url = config::parse_proxy_url(text);
  if (!url) return std::move(url).error();
  return smtp::Proxy{std::move(url->name), base::Secret(std::string(text.reveal()))};
}

}  // namespace pillarbox::app
