/* The floor: says a prepared dialogue to an SMTP server, and does nothing else.
 *
 *   floor PORT DIALOGUE        floor (nothing at all: what any process costs)
 *
 * DIALOGUE is a sequence of groups: a line "OCTETS REPLIES", then OCTETS octets to write as they are; the next group
 * waits for that many replies. Exits with 1 at a reply of 4xx or 5xx.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void die(const char* what) {
  perror(what);
  exit(1);
}

static long awaited; /* replies; negative while the server is ahead of the dialogue's next group */
static char begin_of_line[4];
static int column;

/* Counts the replies in what is there to read; a reply ends with the line whose fourth character is no '-'. */
static void take_replies(int server) {
  char text[65536];
  ssize_t got = recv(server, text, sizeof text, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) die("the server has gone");
  for (ssize_t at = 0; at < got; ++at) {
    if (column < 4) begin_of_line[column] = text[at];
    ++column;
    if (text[at] != '\n') continue;
    if (begin_of_line[0] == '4' || begin_of_line[0] == '5') {
      fprintf(stderr, "refused: %.*s\n", (int)(got < 200 ? got : 200), text);
      exit(1);
    }
    if (column < 4 || begin_of_line[3] != '-') --awaited;
    column = 0;
  }
}

static void say(int server, const char* text, size_t octets) {
  while (octets > 0) {
    struct pollfd ready = {.fd = server, .events = POLLIN | POLLOUT};
    if (poll(&ready, 1, -1) < 0) die("poll");
    if (ready.revents & (POLLIN | POLLERR | POLLHUP)) take_replies(server);
    if (!(ready.revents & POLLOUT)) continue;
    ssize_t written = send(server, text, octets, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (written < 0 && errno != EAGAIN) die("send");
    if (written > 0) {
      text += written;
      octets -= (size_t)written;
    }
  }
}

int main(int argc, char** argv) {
  if (argc == 1) return 0;
  if (argc != 3) return 64;
  int file = open(argv[2], O_RDONLY);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0) die(argv[2]);
  const char* at = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  if (at == MAP_FAILED) die("mmap");
  const char* end = at + status.st_size;

  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int server = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  if (server < 0 || connect(server, (struct sockaddr*)&address, sizeof address) != 0) die("connect");
  setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);

  while (at < end) {
    char* rest;
    size_t octets = strtoul(at, &rest, 10);
    awaited += strtol(rest, &rest, 10);
    at = rest + 1;
    say(server, at, octets);
    at += octets;
    while (awaited > 0) {
      struct pollfd ready = {.fd = server, .events = POLLIN};
      if (poll(&ready, 1, -1) < 0) die("poll");
      take_replies(server);
    }
  }
  return 0;
}
