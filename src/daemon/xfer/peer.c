/* Who answered; see peer.h. */
#include "daemon/xfer/peer.h"

#include <curl/curl.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static void
put_name(char *out, size_t n, const X509_NAME *name)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	long len;

	if (b && X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0) {
		len = BIO_get_mem_data(b, &text);
		(void)str_safe(out, n, text, (size_t)len);
	}
	BIO_free(b);
}

static void
look_at_tls(CURL *easy, struct transfer_peer *ret)
{
	struct curl_tlssessioninfo *tls = NULL;
	X509 *cert;

	if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK || !tls ||
	    tls->backend != CURLSSLBACKEND_OPENSSL || !tls->internals)
		return;
	(void)snprintf(ret->protocol, sizeof ret->protocol, "%s", SSL_get_version(tls->internals));
	(void)snprintf(ret->cipher, sizeof ret->cipher, "%s", SSL_get_cipher_name(tls->internals));
	cert = SSL_get0_peer_certificate(tls->internals);
	if (!cert)
		return;
	put_name(ret->subject, sizeof ret->subject, X509_get_subject_name(cert));
	put_name(ret->issuer, sizeof ret->issuer, X509_get_issuer_name(cert));
}

void
peer_look(void *easy, struct transfer_peer *ret)
{
	const char *ip = NULL;
	long port = 0;

	memset(ret, 0, sizeof *ret);
	(void)curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &ip);
	(void)curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port);
	if (ip && *ip)
		(void)snprintf(ret->address, sizeof ret->address, strchr(ip, ':') ? "[%s]:%ld" : "%s:%ld", ip, port);
	look_at_tls(easy, ret);
}
