#include "app/runner.h"

#include <algorithm>
#include <set>

#include "app/account.h"
#include "app/report.h"
#include "mail/header.h"
#include "mail/prepare.h"
#include "queue/retry.h"

namespace pillarbox::app {

Result<void> Runner::run(const Selection& selection) {
  means_.spool.heard();
  means_.spool.sweep(means_.clock.now());
  auto accounts = select(selection);
  if (!accounts) return accounts.error();
  if (unread_) complain(means_.program, means_.settings.unread->text + "; some mail waits for a run of root's");
  for (auto& [account, ids] : *accounts) {
    if (means_.signals.count() > 0) break;
    if (auto delivered = deliver(account, std::move(ids), selection); !delivered) return delivered;
  }
  if (means_.untried == 0) return {};
  const char* const messages = means_.untried == 1 ? " message" : " messages";
  return Error{Error::Kind::temporary,
               means_.spool.path() + ": " + std::to_string(means_.untried) + messages + " could not be tried"};
}

// The messages that fit, by their accounts, both in the order of their arrival. An account rests as long as the message
// that found it in trouble has to wait: so its pauses grow as that one's do.
Result<Runner::Accounts> Runner::select(const Selection& selection) {
  const auto ids = means_.spool.ids();
  if (!ids) return ids.error();
  if (auto writable = means_.spool.check_writable(); !writable && !ids->empty()) return writable.error();
  Accounts accounts;
  std::set<const config::Account*> resting;
  for (const std::string& id : *ids) {
    const auto looked = means_.spool.look(id);
    if (!looked || !*looked) {
      (void)lock(means_, id);  // which looks at all of it, and says what is wrong
      continue;
    }
    const auto& [entry, state, size] = **looked;
    if (!is_mine(entry)) continue;
    const bool due = queue::is_due(state, means_.settings.queue.retry, means_.clock.now());
    if (selection.due_only && state.rests && !due) resting.insert(account_of(entry).value_or(nullptr));
    if (!fits(selection, entry, state, means_.settings.queue.retry, means_.clock.now())) continue;
    const auto account = account_of(entry);
    if (!account) continue;
    auto group =
        std::find_if(accounts.begin(), accounts.end(), [&](const auto& each) { return each.first == *account; });
    if (group == accounts.end()) group = accounts.insert(group, {*account, {}});
    group->second.push_back(id);
  }
  std::erase_if(accounts, [&](const auto& each) { return each.first && resting.count(each.first) > 0; });
  return accounts;
}

bool Runner::is_mine(const queue::Entry& entry) const {
  return scope_ == Scope::own || entry.owner != queue::Owner::user;
}

// The one that was chosen at submission, and no other of its name; for a message without one by its sender, else its
// author. Nothing if it can't be looked at now, or is root's to send, whose configuration may have it.
std::optional<const config::Account*> Runner::account_of(const queue::Entry& entry) {
  if (entry.owner != queue::Owner::none) {
    const auto owner = entry.owner == queue::Owner::system ? config::Owner::system : config::Owner::user;
    for (const config::Account& account : means_.settings.accounts) {
      if (account.name == entry.account && account.owner == owner) return &account;
    }
    if (owner == config::Owner::user) return nullptr;
    if (means_.settings.unread) unread_ = true;
    return means_.settings.unread || means_.roots_place ? std::nullopt : std::optional<const config::Account*>(nullptr);
  }
  auto sender = given_sender(entry, means_.system);
  if (!sender) {
    complain(means_.program, {sender.error().kind, entry.id + ": " + sender.error().text});
    ++means_.untried;
    return std::nullopt;
  }
  if (!*sender) {
    const auto locked = lock(means_, entry.id, true);
    if (!locked) return std::nullopt;
    const auto read = mail::read_header(locked->content(), mail::Normaliser::Nul::drop);
    auto author = read ? mail::author_of(read->header) : Result<mail::Address>(read.error());
    if (author) *sender = *std::move(author);
  }
  const auto chosen = means_.settings.account(std::nullopt, *sender);
  if (chosen) return *chosen;
  if (!means_.settings.unread) return nullptr;
  unread_ = true;
  return std::nullopt;
}

Result<void> Runner::deliver(const config::Account* account, std::vector<std::string> ids, const Selection& selection) {
  Delivery delivery(means_, account, std::move(ids), selection);
  if (!account) {
    delivery.fail_all({Error::Kind::config, "its account is not in the configuration"});
  } else if (!means_.secrets.rests(*account)) {
    warn_of(*account, means_.program);
    auto endpoint = endpoint_of(*account, means_.system, means_.secrets);
    auto session = endpoint ? smtp::Session::make(*std::move(endpoint), means_.view)
                            : Result<std::unique_ptr<smtp::Session>>(endpoint.error());
    if (session) {
      (*session)->heed(&means_.signals);
      delivery.talks_by(**session);
      smtp::submit(**session, delivery, means_.driver, false);
    } else if (means_.roots_place && account->owner == config::Owner::system) {
      complain(means_.program, session.error().text + "; the mail waits for a run of root's");
    } else {
      complain(means_.program, session.error());
      delivery.fail(session.error());
    }
    if (delivery.account_failed()) means_.secrets.in_trouble(*account);
  }
  if (delivery.trouble()) return *delivery.trouble();
  return {};
}

}  // namespace pillarbox::app
