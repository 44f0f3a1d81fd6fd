"""Writes scapy-esp.txt: ESP packets that scapy built, for the tests to open and to seal again.

    pip install scapy cryptography
    python3 scapy_esp.py > scapy-esp.txt

One packet a line, fields as name=value, bytes in hex. The IV is the 64-bit sequence number, as ours is. Left to
itself, scapy encapsulates over IPv6 with a zero UDP checksum; here it computes one, as we do.
"""
from scapy.all import ESP, ICMP, IP, IPv6, IPv6ExtHdrHopByHop, ICMPv6EchoRequest, PadN, Raw, SecurityAssociation, TCP, UDP, raw

ALGORITHMS = [("aes128gcm16", "AES-GCM", 20), ("aes256gcm16", "AES-GCM", 36), ("chacha20poly1305", "CHACHA20-POLY1305", 36)]
OUT4, OUT6 = ("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")
IN4, IN6 = dict(src="10.1.0.1", dst="10.2.0.1"), dict(src="fd00:1::1", dst="fd00:2::1")


def text(n):
    return Raw(bytes((i * 7) & 0xFF for i in range(n)))


def outer4(tos=0, df=False, addrs=OUT4):
    return IP(src=addrs[0], dst=addrs[1], ttl=64, tos=tos, flags="DF" if df else 0, id=1)


def outer6(tc=0):
    return IPv6(src=OUT6[0], dst=OUT6[1], hlim=64, tc=tc)


def cases(n):
    """Name, inner packet, outer header or None for transport mode, UDP encapsulation."""
    tos = 0xB8 | n % 3
    ends4, ends6 = dict(src=OUT4[0], dst=OUT4[1]), dict(src=OUT6[0], dst=OUT6[1])
    echo6 = ICMPv6EchoRequest(data=bytes(n))
    yield "4in4", IP(**IN4, tos=tos, flags="DF") / ICMP() / text(n), outer4(tos, True), False
    yield "4in4-df-clear", IP(**IN4, ttl=3) / UDP(sport=1000, dport=53) / text(n + 1), outer4(), False
    yield "6in4", IPv6(**IN6, tc=tos) / echo6, outer4(tos, True), False
    yield "4in6", IP(**IN4, tos=tos) / TCP(sport=4000, dport=80, flags="PA") / text(n), outer6(tos), False
    yield "6in6", IPv6(**IN6, tc=tos, fl=0x12345) / UDP(sport=9, dport=9) / text(n + 2), outer6(tos), False
    yield "4in4-udp", IP(**IN4, tos=tos) / ICMP() / text(n + 3), outer4(tos), True
    yield "6in6-udp", IPv6(**IN6, tc=tos) / echo6, outer6(tos), True
    yield "transport4", IP(**ends4, ttl=17, id=0x4242) / TCP(sport=4000, dport=80, flags="S") / text(n), None, False
    yield "transport6", IPv6(**ends6, hlim=9) / UDP(sport=1, dport=2) / text(n), None, False
    hop = IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)])
    yield "transport6-hop", IPv6(**ends6) / hop / echo6, None, False
    yield "transport4-udp", IP(**ends4) / UDP(sport=7, dport=7) / text(n), None, True
    yield "transport4-udp-tcp", IP(**ends4) / TCP(sport=7, dport=7) / text(n + 1), None, True


def main():
    print("# Written by scapy_esp.py. See SOURCE.md.")
    number = 0
    for name, cipher, key_len in ALGORITHMS:
        for high in (None, 0, 7):
            for case, inner, outer, udp in cases(number % 40):
                number += 1
                key = bytes((number * 31 + i * 11) & 0xFF for i in range(key_len))
                spi, low = 0x1000 + number, 0xFFFFFFFF - number if number % 4 == 0 else number
                sequence = ((high or 0) << 32) | low
                extra = dict(esn_en=True, esn=high) if high is not None else {}
                sa = SecurityAssociation(
                    ESP, spi=spi, crypt_algo=cipher, crypt_key=key, tunnel_header=outer,
                    nat_t_header=UDP(sport=4500, dport=4500) if udp else None, **extra)
                inner = inner.__class__(raw(inner))
                packet = raw(sa.encrypt(inner, seq_num=low, iv=sequence.to_bytes(8, "big")))
                if udp and packet[0] >> 4 == 6:
                    packet = IPv6(packet)
                    del packet[UDP].chksum
                    packet = raw(packet)
                ends = OUT4 if packet[0] >> 4 == 4 else OUT6
                print(f"case={case} algorithm={name} key={key.hex()} spi={spi:x} sequence={sequence:x} "
                      f"esn={int(high is not None)} tunnel={int(outer is not None)} udp={int(udp)} "
                      f"src={ends[0]} dst={ends[1]} inner={raw(inner).hex()} outer={packet.hex()}")


main()
