#include "app/event.h"

#include "base/text.h"

namespace pillarbox::app {

Event& Event::text(std::string_view key, std::string_view value) {
  items_.push_back({std::string(key), base::quote(value), base::json_string(value)});
  return *this;
}

Event& Event::number(std::string_view key, std::int64_t value) {
  items_.push_back({std::string(key), std::to_string(value), std::to_string(value)});
  return *this;
}

Event& Event::seconds(std::string_view key, double value, int decimals) {
  const std::string text = base::decimal(value, decimals);
  items_.push_back({std::string(key), text, text});
  return *this;
}

Event& Event::list(std::string_view key, const std::vector<std::string>& values) {
  std::vector<std::string> json;
  json.reserve(values.size());
  for (const std::string& value : values) json.push_back(base::json_string(value));
  items_.push_back({std::string(key), base::quote(base::join(values, ",")), "[" + base::join(json, ",") + "]"});
  return *this;
}

std::string Event::key_value() const {
  std::string out = name_;
  for (const Item& item : items_) out += (out.empty() ? "" : " ") + item.key + '=' + item.plain;
  return out;
}

std::string Event::json() const {
  std::string out = name_.empty() ? "{" : "{\"event\":" + base::json_string(name_);
  for (const Item& item : items_) {
    if (out.size() > 1) out += ',';
    out += base::json_string(item.key) + ':' + item.json;
  }
  return out + '}';
}

}  // namespace pillarbox::app
