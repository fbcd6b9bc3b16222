"""Messages in the manner of RFC 4475, the torture test of SIP: what is odd and valid, and what is
broken in each of its parts. `HERE`, `US` and `PORT` are filled in; `N` makes each its own."""

from __future__ import annotations

SDP = (
    "v=0\r\no=mhandley 29739 7272939 IN IP4 HERE\r\ns=-\r\nc=IN IP4 HERE\r\nt=0 0\r\n"
    "m=audio 49217 RTP/AVP 0\r\n"
)


def message(start: str, *headers: str, body: str = "") -> str:
    """A message with the headers that every one has, unless given here."""
    defaults = {
        "via": "Via: SIP/2.0/UDP HERE:PORT;branch=z9hG4bKN",
        "from": "From: <sip:caller@HERE>;tag=N",
        "to": "To: <sip:+12125550142@HERE>",
        "call-id": "Call-ID: torture-N",
        "cseq": f"CSeq: 1 {start.split(' ', 1)[0]}",
        "contact": "Contact: <sip:caller@HERE:PORT>",
        "max-forwards": "Max-Forwards: 70",
        "content-length": f"Content-Length: {len(body)}",
    }
    for header in headers:
        defaults.pop(header.partition(":")[0].strip().lower(), None)
    return "\r\n".join([start, *defaults.values(), *headers, "", ""]) + body


INVITE = "INVITE sip:+12125550142@US SIP/2.0"
OPTIONS = "OPTIONS sip:+12125550142@US SIP/2.0"

VALID = {
    "folded headers and odd spaces (3.1.1.1)": message(
        INVITE,
        "TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n",
        "Subject: first line\r\n\tand\r\n  the next",
        "CSeq: 0009\r\n  INVITE",
    ),
    "a method and headers that nobody knows (3.1.1.2)": message(
        "!interesting-Method0123456789_*+`.%indeed'~ sip:+12125550142@US SIP/2.0",
        "extensionHeader-!.%*+_`'~: \ufeff",
        "CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~",
    ),
    "escapes in the request URI (3.1.1.3)": message(
        "INVITE sip:sips%3Auser%40example.com@US SIP/2.0"
    ),
    "escaped nulls (3.1.1.4)": message(OPTIONS, "From: <sip:null-%00-null@HERE>;tag=N"),
    "a percent sign that is no escape (3.1.1.5)": message("OPTIONS sip:%Z%45@US SIP/2.0"),
    "no space before an angle bracket (3.1.1.6)": message(
        OPTIONS, "From: caller<sip:c@HERE>;tag=N"
    ),
    "long values (3.1.1.7)": message(
        OPTIONS,
        f"From: {'I have a user name of extreme proportion ' * 8}<sip:long@HERE>;tag={'t' * 300}",
        f"Unknown: {'ab, ' * 400}",
    ),
    "more behind the body than it has (3.1.1.8)": message(OPTIONS) + "INVITE sip:x@US SIP/2.0\r\n",
    "semicolons in the user part (3.1.1.9)": message(
        "OPTIONS sip:user;par=u%40example.net@US SIP/2.0"
    ),
    "many Via headers": message(
        OPTIONS, *[f"Via: SIP/2.0/UDP 192.0.2.{n};branch=z9hG4bKv{n}" for n in range(1, 60)]
    ),
    "the least of forwards": message(OPTIONS, "Max-Forwards: 0"),
    "a request for what we do not support": message(OPTIONS, "Require: nothingSupportsThis"),
}

BROKEN = {
    "separators where none may be (3.1.2.1)": message(
        INVITE, "Contact: <sip:j@HERE>;;,;,,", "Via: SIP/2.0/UDP HERE;;,;,,"
    ),
    "a body that is shorter than said (3.1.2.2)": message(INVITE, "Content-Length: 9999", body=SDP),
    "a negative length (3.1.2.3)": message(INVITE, "Content-Length: -999", body=SDP),
    "numbers beyond any range (3.1.2.4)": message(
        INVITE,
        "CSeq: 36893488147419103232 INVITE",
        "Max-Forwards: 300",
        "Expires: 10" + "0" * 80,
        "Contact: <sip:u@HERE>;expires=280297596632815",
    ),
    "a quoted name without an end (3.1.2.6)": message(INVITE, 'To: "Mr. J. User <sip:j@HERE>'),
    "an URI in brackets in the start line (3.1.2.7)": message("INVITE <sip:user@US> SIP/2.0"),
    "spaces within the request URI (3.1.2.8)": message("INVITE sip:user@US; lr SIP/2.0"),
    "spaces at the end of the start line (3.1.2.10)": message("INVITE sip:user@US SIP/2.0  "),
    "escaped headers in the request URI (3.1.2.11)": message(
        "INVITE sip:user@US?Route=%3Csip:example.com%3E SIP/2.0"
    ),
    "a time in the wrong zone (3.1.2.12)": message(INVITE, "Date: Fri, 01 Jan 2010 16:00:00 EST"),
    "a name-addr without brackets (3.1.2.13)": message(
        INVITE, "From: Bell, Alexander <sip:a.g.bell@HERE>;tag=N"
    ),
    "spaces within an address (3.1.2.14)": message(OPTIONS, 'To: "Watson, Thomas" < sip:t@HERE >'),
    "another version of SIP (3.1.2.16)": message("OPTIONS sip:t@US SIP/7.0"),
    "a method that CSeq does not have (3.1.2.17)": message(OPTIONS, "CSeq: 8 INVITE"),
    "an unknown method against CSeq (3.1.2.18)": message(
        "NEWMETHOD sip:u@US SIP/2.0", "CSeq: 8 INVITE"
    ),
    "a response with a status of five digits (3.1.2.19)": message(
        "SIP/2.0 4294967301 better not break the receiver", "CSeq: 1 INVITE"
    ),
    "no branch worth its name (3.2.1)": message(OPTIONS, "Via: SIP/2.0/UDP HERE;branch=z9hG4bK"),
    "no Via, no To, no From (3.3.1)": "INVITE sip:user@US SIP/2.0\r\nCSeq: 193942 INVITE\r\n\r\n",
    "an URI scheme of nobody's (3.3.2)": message(
        "OPTIONS nobodyKnowsThisScheme:totallyopaque SIP/2.0"
    ),
    "an URI that is no SIP's (3.3.3)": message("OPTIONS soap.beep://HERE:3002 SIP/2.0"),
    "the same header twice that may come once (3.3.8)": message(
        INVITE, "CSeq: 5 INVITE", "CSeq: 59338 INVITE", "Call-ID: one-N", "Call-ID: two-N"
    ),
    "two lengths (3.3.9)": message(
        OPTIONS, "Content-Length: 13", "Content-Length: 5", body="There's no way"
    ),
    "an answer to a broadcast (3.3.10)": message(
        "SIP/2.0 200 OK", "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bKN", "CSeq: 1 OPTIONS"
    ),
    "registration of an unknown kind (3.3.13)": message(
        "REGISTER sip:US SIP/2.0",
        "Contact: sip:j@HERE?Route=%3Csip:sip.example.com%3E",
    ),
    "a description that is none (3.3.15)": message(
        INVITE, "Content-Type: application/sdp", body="v=x"
    ),
    "nothing but line ends": "\r\n" * 40,
    "a start line alone": "INVITE sip:user@US SIP/2.0\r\n" + " " * 40,
    "headers of 6,000 bytes": message(INVITE, f"Subject: {'x' * 6_000}"),
    "3,000 headers": message(OPTIONS, *["X: y"] * 1_000),
    "a tag that ends a line": message(
        INVITE, "From: <sip:a@HERE>;tag=x%0D%0AContact:%20<sip:b@HERE>"
    ),
    "binary where text should be": message(OPTIONS, "Subject: \x00\x01\x02\x7f\x80"),
}
