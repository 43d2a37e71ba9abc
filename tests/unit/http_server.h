/*
 * A tiny HTTP/1.1 server on loopback for unit tests of transfers: a process of
 * its own, and one for each connection.  The path says what it does:
 *
 *   /ok          five bytes            /404 /204 /302     that status
 *   /big/N       N bytes of a pattern  /chunked/N         the same in chunks
 *   /nolength/N  the same, ended by closing the connection
 *   /cut/N       announces one byte more than it sends, and closes
 *   /stall       ten bytes of hundred, and then nothing more
 *   /silent      nothing at all        /endless           bytes without end
 *   /request     its body is the header of the request
 *   /last        as /ok, and the connection ends
 *
 * The ETag of each answer tells the connection, the request's number on it, and
 * whether its TLS session was resumed: "C-R-S".
 */
#pragma once

#include <check.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

enum { PIECE = 1 << 18, PATTERN_PERIOD = 1 << 16 };

struct http_server {
	pid_t pid;
	int fd, tls_fd; /* in the server only */
	unsigned port, tls_port;
	SSL_CTX *tls;
};

struct http_peer {
	int fd;
	SSL *ssl; /* NULL: plain */
	unsigned connection, requests;
};

static inline uint8_t
pattern_at(uint64_t i)
{
	return (uint8_t)(i * 31 + (i >> 8));
}

static inline bool
peer_write(struct http_peer *p, const void *data, size_t n)
{
	if (!p->ssl)
		return fd_write_full(p->fd, data, n) == 0;
	return SSL_write(p->ssl, data, (int)n) == (int)n;
}

static inline bool
peer_text(struct http_peer *p, const char *text)
{
	return peer_write(p, text, strlen(text));
}

/* The header of one request; false at the end of the connection. */
static inline bool
peer_read_request(struct http_peer *p, char *out, size_t size)
{
	size_t n = 0;

	while (n < size - 1) {
		int r = p->ssl ? SSL_read(p->ssl, out + n, 1) : (int)read(p->fd, out + n, 1);

		if (r <= 0)
			return false;
		out[++n] = '\0';
		if (has_suffix(out, "\r\n\r\n"))
			return true;
	}
	return false;
}

/* n bytes of the pattern; chunked: each piece as a chunk. */
static inline bool
peer_pattern(struct http_peer *p, uint64_t n, bool chunked)
{
	static uint8_t piece[PIECE];
	char head[32];

	for (size_t i = 0; i < PIECE; i++)
		piece[i] = pattern_at(i);
	for (uint64_t at = 0; at < n;) {
		size_t len = (size_t)MIN(n - at, (uint64_t)PIECE);

		(void)snprintf(head, sizeof head, "%zx\r\n", len);
		if ((chunked && !peer_text(p, head)) || !peer_write(p, piece, len) || (chunked && !peer_text(p, "\r\n")))
			return false;
		at += len;
	}
	return !chunked || peer_text(p, "0\r\n\r\n");
}

static inline void
peer_head(struct http_peer *p, const char *status, const char *fields)
{
	AUTO_FREE char *head = xasprintf("HTTP/1.1 %s\r\nETag: \"%u-%u-%d\"\r\n%s\r\n", status, p->connection, p->requests,
	    p->ssl && SSL_session_reused(p->ssl), fields);

	(void)peer_text(p, head);
}

static inline void
peer_length(struct http_peer *p, const char *status, uint64_t n, const char *more)
{
	AUTO_FREE char *fields = xasprintf("Content-Length: %llu\r\n%s", (unsigned long long)n, more);

	peer_head(p, status, fields);
}

static inline void
peer_wait_for_ever(void)
{
	for (;;)
		(void)pause();
}

/* True when the connection goes on. */
static inline bool
peer_answer_number(struct http_peer *p, const char *path, uint64_t n)
{
	if (has_prefix(path, "/big/")) {
		peer_length(p, "200 OK", n, "");
		return peer_pattern(p, n, false);
	}
	if (has_prefix(path, "/chunked/")) {
		peer_head(p, "200 OK", "Transfer-Encoding: chunked\r\n");
		return peer_pattern(p, n, true);
	}
	if (has_prefix(path, "/cut/"))
		peer_length(p, "200 OK", n + 1, "");
	else
		peer_head(p, "200 OK", "");
	(void)peer_pattern(p, n, false);
	return false;
}

static inline bool
peer_answer(struct http_peer *p, const char *path, const char *request)
{
	const char *slash = strrchr(path, '/');
	uint64_t n;

	if (slash != path && parse_u64(slash + 1, &n) == 0)
		return peer_answer_number(p, path, n);
	if (has_prefix(path, "/silent"))
		peer_wait_for_ever();
	if (has_prefix(path, "/endless")) {
		peer_length(p, "200 OK", UINT64_C(1) << 50, "");
		return peer_pattern(p, UINT64_C(1) << 50, false);
	}
	if (has_prefix(path, "/stall")) {
		peer_length(p, "200 OK", 100, "");
		(void)peer_pattern(p, 10, false);
		peer_wait_for_ever();
	}
	if (has_prefix(path, "/request")) {
		peer_length(p, "200 OK", strlen(request), "");
		return peer_text(p, request);
	}
	if (has_prefix(path, "/302"))
		peer_length(p, "302 Found", 5, "Location: /elsewhere?x=1\r\n");
	else if (has_prefix(path, "/404"))
		peer_length(p, "404 Not Found", 5, "");
	else if (has_prefix(path, "/last"))
		peer_length(p, "200 OK", 5, "Connection: close\r\n");
	else
		peer_length(p, "200 OK", 5, "Last-Modified: Thu, 01 Jan 1970 00:16:40 GMT\r\n");
	return peer_text(p, "hello") && !has_prefix(path, "/last");
}

static inline void
peer_serve(struct http_peer *p)
{
	char request[16384], path[1024];

	while (peer_read_request(p, request, sizeof request)) {
		size_t n = strcspn(request, " ") + 1, len = strcspn(request + n, " ");

		p->requests++;
		(void)snprintf(path, sizeof path, "%.*s", (int)len, request + n);
		if (!peer_answer(p, path, request))
			break;
	}
	if (p->ssl)
		(void)SSL_shutdown(p->ssl);
}

static inline void
server_accept(struct http_server *s, int listener, unsigned connection)
{
	struct http_peer p = { .fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), .connection = connection };

	if (p.fd < 0)
		return;
	if (fork() > 0) {
		fd_close(&p.fd);
		return;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (listener == s->tls_fd) {
		p.ssl = SSL_new(s->tls);
		if (!p.ssl || SSL_set_fd(p.ssl, p.fd) != 1 || SSL_accept(p.ssl) != 1)
			_exit(0);
	}
	peer_serve(&p);
	_exit(0);
}

static inline int
server_listen(unsigned *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof a;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	ck_assert_int_eq(listen(fd, 128), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static inline void
server_run(struct http_server *s)
{
	unsigned connections = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		fd_set set;

		FD_ZERO(&set);
		FD_SET(s->fd, &set);
		FD_SET(s->tls_fd, &set);
		if (select(MAX(s->fd, s->tls_fd) + 1, &set, NULL, NULL, NULL) < 0)
			continue;
		if (FD_ISSET(s->fd, &set))
			server_accept(s, s->fd, ++connections);
		if (FD_ISSET(s->tls_fd, &set))
			server_accept(s, s->tls_fd, ++connections);
	}
}

/* A key and a certificate for 127.0.0.1 that signs itself, to PEM in cert_path. */
static inline void
make_certificate(SSL_CTX *ctx, const char *cert_path)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_EXTENSION *san;
	X509V3_CTX v3;
	FILE *f;

	ck_assert_ptr_nonnull(key);
	ck_assert_int_eq(X509_set_version(x, 2), 1);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	(void)X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	(void)X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)cert_path, -1, -1, 0);
	(void)X509_set_issuer_name(x, X509_get_subject_name(x));
	(void)X509_set_pubkey(x, key);
	X509V3_set_ctx_nodb(&v3);
	X509V3_set_ctx(&v3, x, x, NULL, NULL, 0);
	san = X509V3_EXT_conf_nid(NULL, &v3, NID_subject_alt_name, "IP:127.0.0.1");
	ck_assert_ptr_nonnull(san);
	(void)X509_add_ext(x, san, -1);
	X509_EXTENSION_free(san);
	ck_assert_int_gt(X509_sign(x, key, EVP_sha256()), 0);
	f = fopen(cert_path, "we");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(PEM_write_X509(f, x), 1);
	ck_assert_int_eq(fclose(f), 0);
	if (ctx) {
		ck_assert_int_eq(SSL_CTX_use_certificate(ctx, x), 1);
		ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, key), 1);
	}
	X509_free(x);
	EVP_PKEY_free(key);
}

/* Before there is a thread. */
static inline void
server_start(struct http_server *s, const char *cert_path)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	s->tls = SSL_CTX_new(TLS_server_method());
	ck_assert_ptr_nonnull(s->tls);
	make_certificate(s->tls, cert_path);
	s->fd = server_listen(&s->port);
	s->tls_fd = server_listen(&s->tls_port);
	s->pid = fork();
	if (s->pid == 0) {
		(void)sigaction(SIGPIPE, &ignore, NULL);
		ignore.sa_flags = SA_NOCLDWAIT;
		ignore.sa_handler = SIG_DFL;
		(void)sigaction(SIGCHLD, &ignore, NULL);
		server_run(s);
	}
	ck_assert_int_gt(s->pid, 0); /* not in the child: libcheck's file of messages is the parent's, too */
	SSL_CTX_free(s->tls);
	fd_close(&s->fd);
	fd_close(&s->tls_fd);
}

static inline void
server_stop(struct http_server *s)
{
	ck_assert_int_eq(kill(s->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(s->pid, NULL, 0), s->pid);
}
