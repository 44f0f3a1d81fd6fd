"""A peer with static keys: crafts ESP packets on order, good and bad, and reads the answers. No IKE, no kernel.

usage: peer.py INTERFACE OWN-IP GATEWAY-IP GATEWAY-MAC ALGORITHM ESN SPI-OUT KEY-OUT SPI-IN KEY-IN

Reads one order a line from standard input and answers each with one line:
  echo seq=N [flip=I] [cut=N] [spi=HEX] [src=IP] [dst=IP] [high=N] [size=N] [wrong-high]
      an ICMP echo request in a tunnel packet with this sequence number; flip: one bit of the octet I (from the end if
      negative) of the ESP packet is inverted; cut: the packet loses its last N octets; high: upper half of an extended
      sequence number. Answer: `reply seq=N ...` when an echo reply came back under the other SA, else `silence`.
  again             the last packet once more, octet for octet
  clear             the echo request without ESP
ALGORITHM as in a proposal; ESN is yes or no; keys in hex with the salt.
"""

import socket
import sys
import time

from scapy.all import ARP, ESP, ICMP, IP, Ether, Raw, SecurityAssociation, get_if_hwaddr

interface, own, gateway, gateway_mac, algorithm, esn, spi_out, key_out, spi_in, key_in = sys.argv[1:]
esn = esn == "yes"
name = "CHACHA20-POLY1305" if algorithm.startswith("chacha") else "AES-GCM"
mac = get_if_hwaddr(interface)
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind((interface, 0))


def association(spi, key, **more):
    return SecurityAssociation(
        ESP, spi=int(spi, 16), crypt_algo=name, crypt_key=bytes.fromhex(key), esn_en=esn, **more
    )


# Plain frames: scapy strips a tunnel header only if the association has one.
incoming = association(spi_in, key_in, tunnel_header=IP(src=gateway, dst=own))


def answer(seconds):
    """The first echo reply under the incoming SA; answers ARP meanwhile."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        wire.settimeout(left)
        try:
            frame = Ether(wire.recv(65535))
        except socket.timeout:
            return None
        if ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst == own:
            reply = Ether(src=mac, dst=frame.src) / ARP(
                op=2, hwsrc=mac, psrc=own, hwdst=frame[ARP].hwsrc, pdst=frame[ARP].psrc
            )
            wire.send(bytes(reply))
        elif IP in frame and frame[IP].proto == 50 and frame[IP].src == gateway:
            outer = bytes(frame[IP])[: frame[IP].len]
            sequence = IP(outer)[ESP].seq
            inner = incoming.decrypt(IP(outer), esn_en=esn, esn=0)
            if ICMP in inner and inner[ICMP].type == 0:
                return f"reply seq={sequence} src={inner.src} dst={inner.dst} size={len(inner[ICMP].payload)}"
    return None


def craft(order):
    words = dict(word.split("=", 1) for word in order if "=" in word)
    payload = Raw(b"r" * int(words.get("size", "56")))
    inner = IP(src=words.get("src", "10.1.0.1"), dst=words.get("dst", "10.2.0.10")) / ICMP(id=7, seq=1) / payload
    if "clear" in order:
        return bytes(inner)
    sender = association(words.get("spi", spi_out), key_out, tunnel_header=IP(src=own, dst=gateway, id=1))
    high = int(words.get("high", "0"))
    packet = sender.encrypt(
        IP(bytes(inner)), seq_num=int(words["seq"]), esn_en=esn, esn=high, iv=int(words["seq"]).to_bytes(8, "big")
    )
    octets = bytearray(bytes(packet))
    if "flip" in words:
        at = int(words["flip"])
        octets[at if at < 0 else 20 + at] ^= 1
    if "cut" in words:
        octets = octets[: len(octets) - int(words["cut"])]
    whole = IP(bytes(octets))
    whole.len = len(octets)
    del whole.chksum
    return bytes(whole)


print("ready", flush=True)
last = None
for line in sys.stdin:
    order = line.split()
    if order != ["again"]:
        last = craft(order)
    wire.send(bytes(Ether(src=mac, dst=gateway_mac, type=0x0800)) + last)
    print(answer(0.4) or "silence", flush=True)
