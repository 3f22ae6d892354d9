/* An SMTP server that is no bottleneck: it looks at what ends a message, and throws the rest away.
 *
 *   swallow PORT HOSTNAME
 *
 * For messages of a size at which smtp-sink, which looks at every octet, would be what is measured. It serves one
 * connection at a time on 127.0.0.1, offers PIPELINING, accepts everything, and prints the octets of each message as
 * they came, the final dot included. Behind a final dot a client may say no more than TAIL octets before it has its
 * reply.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 1 << 20, TAIL = 512 };
static const char end_of_message[] = "\r\n.\r\n";
static const size_t end_length = sizeof end_of_message - 1;

static char buffer[ROOM];
static size_t held; /* octets of it that are in use */

static void die(const char* what) {
  perror(what);
  exit(1);
}

static void answer(int client, const char* text) {
  if (send(client, text, strlen(text), MSG_NOSIGNAL) < 0) perror("send");
}

static int read_more(int client) {
  ssize_t got = recv(client, buffer + held, ROOM - held, 0);
  if (got <= 0) return 0;
  held += (size_t)got;
  return 1;
}

static void drop(size_t octets) {
  held -= octets;
  memmove(buffer, buffer + octets, held);
}

/* Takes a message up to its end off the connection; its octets, or -1 if the client has gone. */
static long swallow(int client) {
  long octets = 0;
  for (;;) {
    size_t passed = held > TAIL ? held - TAIL : 0; /* with all that is not the end */
    char* end = memmem(buffer + passed, held - passed, end_of_message, end_length);
    if (end) {
      size_t rest = (size_t)(end - buffer) + end_length;
      drop(rest);
      return octets + (long)rest;
    }
    if (held >= end_length) { /* the end may have begun */
      octets += (long)(held - (end_length - 1));
      drop(held - (end_length - 1));
    }
    if (!read_more(client)) return -1;
  }
}

static void serve(int client, const char* hostname) {
  char text[300];
  snprintf(text, sizeof text, "220 %s ESMTP\r\n", hostname);
  answer(client, text);
  held = 0;
  for (;;) {
    char* end = memchr(buffer, '\n', held);
    if (!end) {
      if (held == ROOM || !read_more(client)) return;
      continue;
    }
    int quit = strncasecmp(buffer, "QUIT", 4) == 0;
    int data = strncasecmp(buffer, "DATA", 4) == 0;
    int ehlo = strncasecmp(buffer, "EHLO", 4) == 0;
    drop((size_t)(end - buffer) + 1);
    if (ehlo) snprintf(text, sizeof text, "250-%s\r\n250-PIPELINING\r\n250 8BITMIME\r\n", hostname);
    answer(client, quit ? "221 Bye\r\n" : data ? "354 Go on\r\n" : ehlo ? text : "250 Ok\r\n");
    if (quit) return;
    if (!data) continue;
    long octets = swallow(client);
    if (octets < 0) return;
    answer(client, "250 Ok\r\n");
    printf("swallowed %ld\n", octets);
    fflush(stdout);
  }
}

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0 || listen(listener, 100) != 0) die("listen");
  for (;;) {
    int client = accept(listener, NULL, NULL);
    if (client < 0) die("accept");
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    serve(client, argv[2]);
    close(client);
  }
}
