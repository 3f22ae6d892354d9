#include "app/help.h"

#include <cstdio>
#include <string>

#include "app/report.h"

namespace pillarbox::app {
namespace {

// The exit code: 74 if it could not be written.
int print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  return flush_output() ? 0 : exit_code(Error::Kind::io);
}

}  // namespace

int print_version() {
  return print("Pillarbox " PILLARBOX_VERSION "\n");
}

int print_front_help() {
  return print(R"(pillarbox - submits mail to an SMTP server

Usage:
  pillarbox sendmail [options] [recipient ...]     as /usr/sbin/sendmail is called
  pillarbox smtp [options] server sender recipient ...
  pillarbox queue list|run|show|retry|remove       what waits to be sent
  pillarbox check [ACCOUNT]                        is all well, from the configuration to the login?
  pillarbox setup [options] ADDRESS                a first configuration, tried and then written
  pillarbox import FILE                            another program's configuration as ours, on stdout
  pillarbox help | --help | --version

One binary: a link named "sendmail", "mailq", "newaliases" or "smtp" is that command.
"pillarbox COMMAND --help" shows a command's options.
)");
}

int print_import_help() {
  return print(R"(Usage: pillarbox import FILE

FILE is msmtp's msmtprc, esmtp's esmtprc, ssmtp.conf, dma.conf (with the auth.conf that it names)
or nullmailer's remotes; which, its content tells. What Pillarbox makes of it goes to standard
output, to be looked through and put in /etc/pillarbox.conf or ~/.config/pillarbox/pillarbox.conf.
Whatever could not be carried over is a comment there, with file, line and the reason.

Passwords are carried over: (umask 077; pillarbox import FILE > pillarbox.conf)

Exit status: 0 done, 64 usage, 65 no file of these or no server in it, 66 the file can't be read,
74 the output can't be written.
)");
}

int print_queue_help(std::span<const Option> table) {
  return print(R"(Usage:
  pillarbox queue list               what waits, as mailq shows it
  pillarbox queue run                sends what is due (sendmail -q: everything)
  pillarbox queue show ID ...        a message, and what became of it so far
  pillarbox queue retry ID ...       makes it due at once, also one that has failed
  pillarbox queue remove ID ...      throws it away

)" + describe(table));
}

int print_check_help(std::span<const Option> table) {
  return print(R"(Usage: pillarbox check [options] [ACCOUNT]

Goes the way of an account's mail as far as the login and sends none: the configuration, the
secret, then for each of its hosts the address, the connection, TLS with the server's
certificate, and the login. Tells which step fails, and what mends it.

)" + describe(table));
}

int print_setup_help(std::span<const Option> table) {
  return print(R"(Usage: pillarbox setup [options] ADDRESS

Writes a first configuration for an address. The server is what DNS names for its domain; what
is not known is asked for, and every answer can be given as an option. The login is tried before
the file is written, as "pillarbox check" does it, and an existing file stays as it is.

)" + describe(table));
}

int print_smtp_help(std::span<const Option> table) {
  return print(R"(NAME
  smtp - submit messages to an SMTP server

SYNOPSIS
  smtp [options] server sender recipient ...
      one message on standard input
  smtp [options] -s server -f sender -r recipient [-r recipient ...] [file ...]
      many messages, the same envelope
  smtp [options] -s server -F [file ...]
      each message's envelope from its own header
  smtp [options] --probe -s server -r recipient [-r recipient ...]
      a test message of our own making
  smtp [options] --talk -s server [script]
      a script's SMTP lines, or those of a terminal, in lockstep

DESCRIPTION
  Messages are complete RFC 5322 messages and go out as they are, but for line ends and what
  an option adds. Without a file, and where "-" stands for one, standard input is read. All
  messages use one connection; one that fails does not stop the rest.

OPTIONS
)" + describe(table) +
               R"(
EXIT STATUS
  0 accepted for all recipients    64 usage, or no recipients      65 message or address unusable
  66 file can't be read            67 a recipient was rejected     68 host unknown
  69 refused for good, or TLS not to be had                        70 an error of the program
  71 the operating system refused  73 queue's place not writable   74 input or output failed
  75 temporary failure             76 the server broke the protocol
  77 login refused, not offered or not allowed                     78 configuration
  With several messages or recipients: the first permanent failure's, else 75 if one was temporary.

EXAMPLES
  smtp mail.example.com me@example.com you@example.net < message.eml
  smtp -v -M -V -U me -s mail.example.com:587 -f me@example.com -r you@example.net *.eml
  smtp -t -s smtps://mail.example.com -U me -F message.eml
  smtp --timing --probe -M -s mail.example.com:587 -r you@example.net
)");
}

int print_sendmail_help(std::span<const Option> table) {
  return print("Usage: sendmail [options] [recipient ...]    the message on standard input\n\n" + describe(table));
}

}  // namespace pillarbox::app
