//! IPsec through the tables as Linux 6.12 lays them out (facts C.3, C.4): policy, SA and status tables on both sides,
//! with real keys and objects. What is on the wire is seen by taps, what became of a packet by flow counters.

use super::bench::*;
use crate::Side;
use crate::packet::Headers;
use crate::transit::Transit;
use mlx5_pci::prm::{
    AllocPdIn, CreateEncryptionKeyIn, CreateIpsecObjIn, EncryptionKeyObj, FlowTableContext, FteMatchParam,
    GeneralObjInCmdHdr, IpsecAso, IpsecObj, Opcode, SetActionIn,
};

const DROP: u16 = 0x2;
const ALLOW: u16 = 0x1;
const REFORMAT: u16 = 0x10;
const MOD_HDR: u16 = 0x40;
const DECRYPT: u16 = 0x1000;
const ENCRYPT: u16 = 0x2000;

const REG_B: u16 = 0x50;
const REG_C_2: u16 = 0x53;
const REG_C_4: u16 = 0x55;

pub(super) const SPI: u32 = 0x1001;
const REQID: u32 = 7;

/// How ESP is put on and taken off, and how much longer the packet gets.
pub(super) struct Variant {
    name: &'static str,
    add: (u8, Vec<u8>),
    remove: (u8, Vec<u8>),
    /// What the SA entry on receive matches beside the addresses: criteria and value.
    received: [FteMatchParam; 2],
    /// SPI and everything else on the wire that the plain packet has not, but for padding.
    overhead: usize,
}

fn spi_data(before: &[u8]) -> Vec<u8> {
    [before, &SPI.to_be_bytes(), &[0; 12]].concat()
}

pub(super) fn variants() -> [Variant; 3] {
    let plain = |spi, protocol| {
        param!(
            outer_headers: FteMatchSetLyr24 { ip_version: 4, ip_protocol: protocol },
            misc_parameters: FteMatchSetMisc { outer_esp_spi: spi },
        )
    };
    let encapsulated = |spi| {
        param!(
            outer_headers: FteMatchSetLyr24 { ip_version: 4 },
            misc_parameters: FteMatchSetMisc { inner_esp_spi: spi },
        )
    };
    let mut plain_mask = plain(u32::MAX, 0xff);
    let mut encapsulated_mask = encapsulated(u32::MAX);
    for mask in [&mut plain_mask, &mut encapsulated_mask] {
        let mut outer = mask.outer_headers();
        outer.set().ip_version(0xf).frag(true);
        mask.set().outer_headers(&outer);
    }
    let ports = [0x11, 0x94, 0x11, 0x94, 0, 0, 0, 0];
    let tunnel = tunnel_header();
    let ethernet = ipv4(ENDS, 17, &[])[..14].to_vec();
    [
        Variant {
            name: "transport",
            add: (0x5, spi_data(&[])),
            remove: (0x8, vec![]),
            received: [plain_mask.clone(), plain(SPI, 50)],
            overhead: 8 + 8 + 2 + 16,
        },
        Variant {
            name: "transport over UDP",
            add: (0x7, spi_data(&ports)),
            remove: (0xa, vec![]),
            received: [encapsulated_mask, encapsulated(SPI)],
            overhead: 8 + 8 + 8 + 2 + 16,
        },
        Variant {
            name: "tunnel",
            add: (0x6, spi_data(&tunnel)),
            remove: (0x9, ethernet),
            received: [plain_mask, plain(SPI, 50)],
            overhead: 20 + 8 + 8 + 2 + 16,
        },
    ]
}

/// Ethernet and IPv4 of a tunnel, as Linux hands it over: without length, identification and checksum.
fn tunnel_header() -> Vec<u8> {
    let ends = Ends { source: [198, 51, 100, 1], destination: [198, 51, 100, 2], ports: (0, 0) };
    let mut header = ipv4(ends, 50, &[]);
    header[16..22].fill(0);
    header[24..26].fill(0);
    header
}

fn general(kind: u16) -> GeneralObjInCmdHdr {
    GeneralObjInCmdHdr::build().opcode(Opcode::CREATE_GENERAL_OBJECT.0).obj_type(kind).done()
}

/// A key and an IPSEC object with it.
fn object(bench: &mut Bench, mode: u8, number: u32) -> u32 {
    let pd = bench.run(AllocPdIn::build().opcode(Opcode::ALLOC_PD.0).done().as_bytes()).unwrap();
    let mut secret = [0; 128];
    secret[16..32].copy_from_slice(b"0123456789abcdef");
    let key = EncryptionKeyObj::build().key_purpose(2).pd(pd).key(&secret).done();
    let key = CreateEncryptionKeyIn::build()
        .general_obj_in_cmd_hdr(&general(0xc))
        .encryption_key_object(&key)
        .done();
    let key = bench.run(key.as_bytes()).unwrap();
    let aso = IpsecAso::build().valid(true).mode(mode).mode_parameter(number).done();
    let object = IpsecObj::build()
        .full_offload(true)
        .aso_return_reg(2)
        .esn_en(true)
        .dekn(key)
        .salt(0xf1f2_f3f4)
        .ipsec_aso_access_pd(pd)
        .ipsec_aso(&aso)
        .done();
    let create =
        CreateIpsecObjIn::build().general_obj_in_cmd_hdr(&general(0x13)).ipsec_object(&object).done();
    bench.run(create.as_bytes()).unwrap()
}

fn set(field: u16, data: u32) -> [u8; 8] {
    *SetActionIn::build().action_type(1).field(field).data(data).done().as_bytes()
}

fn any() -> FteMatchParam {
    FteMatchParam::default()
}

fn sa_table(bench: &mut Bench, kind: u8, level: u8) -> u32 {
    let context = FlowTableContext::build().level(level).log_size(2).reformat_en(true).done();
    bench.run(table_with(kind, context).as_bytes()).unwrap()
}

/// Sending: policy → SA → status.
pub(super) struct Sending {
    bypassed: u32,
    encrypted: u32,
    left: u32,
}

pub(super) fn sending(bench: &mut Bench, variant: &Variant) -> Sending {
    let (policy, sa, status) =
        (bench.table(NIC_TX, 0, 2), sa_table(bench, NIC_TX, 1), bench.table(NIC_TX, 2, 0));
    bench.root(NIC_TX, policy);
    let (bypassed, encrypted, left) = (bench.counter(), bench.counter(), bench.counter());
    let group = bench.group(NIC_TX, status, (0, 0), &any());
    entry(NIC_TX, status, group, 0).action(ALLOW).count(left).set(bench).unwrap();

    let crypto = object(bench, 2, 1);
    let context = bench.run(&reformat(variant.add.0, 4, &variant.add.1)).unwrap();
    let of = |reqid, frag| {
        param!(
            outer_headers: FteMatchSetLyr24 { frag: frag },
            misc_parameters_2: FteMatchSetMisc2 { metadata_reg_c_4: reqid },
        )
    };
    let group = bench.group(NIC_TX, sa, (0, 1), &of(u32::MAX, true));
    let encrypt = entry(NIC_TX, sa, group, 0).value(&of(REQID, false)).action(ENCRYPT | REFORMAT);
    let encrypt = encrypt.count(encrypted).forward(status).with(|entry| {
        entry.context.set().encrypt_decrypt_obj_id(crypto).packet_reformat_id(context);
    });
    encrypt.set(bench).unwrap();
    let group = bench.group(NIC_TX, sa, (3, 3), &any());
    entry(NIC_TX, sa, group, 3).count(bypassed).action(ALLOW).set(bench).unwrap();

    let rewrite = bench.run(&modify_header(NIC_TX, &[set(REG_C_4, REQID)])).unwrap();
    let to =
        |destination: &[u8; 16]| param!(outer_headers: FteMatchSetLyr24 { dst_ipv4_dst_ipv6: destination });
    let mut address = [0; 16];
    address[12..].copy_from_slice(&ENDS.destination);
    let group = bench.group(NIC_TX, policy, (0, 1), &to(&[0xff; 16]));
    let select = entry(NIC_TX, policy, group, 0).value(&to(&address)).action(MOD_HDR).forward(sa);
    let select = select.with(|entry| {
        entry.context.set().modify_header_id(rewrite);
    });
    select.set(bench).unwrap();
    let group = bench.group(NIC_TX, policy, (3, 3), &any());
    entry(NIC_TX, policy, group, 3).forward(sa).set(bench).unwrap();
    Sending { bypassed, encrypted, left }
}

/// Receiving: SA → status → what a TTC would do with the plain packet. The counters of its verdicts.
pub(super) struct Receiving {
    sa: u32,
    auth: u32,
    replay: u32,
    rest: u32,
    /// Plain UDP of the right addresses, with register B.
    passed: u32,
    other: u32,
}

pub(super) fn receiving(bench: &mut Bench, variant: &Variant) -> Receiving {
    let (sa, status, end) =
        (sa_table(bench, NIC_RX, 1), bench.table(NIC_RX, 2, 3), bench.table(NIC_RX, 3, 1));
    bench.root(NIC_RX, sa);
    let crypto = object(bench, 1, 0);
    let mark = crypto | 1 << 31;
    let names = [(); 6].map(|()| bench.counter());
    let [counted, auth, replay, rest, passed, other] = names;

    let plain =
        |protocol, port| param!(outer_headers: FteMatchSetLyr24 { ip_protocol: protocol, udp_dport: port });
    let group = bench.group(NIC_RX, end, (0, 0), &plain(0xff, 0xffff));
    let udp = entry(NIC_RX, end, group, 0).value(&plain(17, ENDS.ports.1)).action(DROP).count(passed);
    udp.set(bench).unwrap();
    let group = bench.group(NIC_RX, end, (1, 1), &any());
    entry(NIC_RX, end, group, 1).action(DROP).count(other).set(bench).unwrap();

    let verdict = |object, syndrome, returned| {
        param!(misc_parameters_2: FteMatchSetMisc2 {
            metadata_reg_c_2: object, ipsec_syndrome: syndrome, metadata_reg_c_4: returned
        })
    };
    let group = bench.group(NIC_RX, status, (0, 1), &verdict(u32::MAX, 0xff, 0));
    let bad = entry(NIC_RX, status, group, 0).value(&verdict(mark, 1, 0)).action(DROP).count(auth);
    bad.set(bench).unwrap();
    let group = bench.group(NIC_RX, status, (2, 3), &verdict(u32::MAX, 0, u32::MAX));
    let stale = entry(NIC_RX, status, group, 2).value(&verdict(mark, 0, 1)).action(DROP).count(replay);
    stale.set(bench).unwrap();
    let group = bench.group(NIC_RX, status, (6, 6), &verdict(0, 0xff, u32::MAX));
    entry(NIC_RX, status, group, 6).value(&verdict(0, 0, 0)).forward(end).set(bench).unwrap();
    let group = bench.group(NIC_RX, status, (7, 7), &any());
    entry(NIC_RX, status, group, 7).action(DROP).count(rest).set(bench).unwrap();

    let rewrite = bench.run(&modify_header(NIC_RX, &[set(REG_B, mark), set(REG_C_2, mark)])).unwrap();
    let context = bench.run(&reformat(variant.remove.0, 0, &variant.remove.1)).unwrap();
    let [criteria, value] = &variant.received;
    let group = bench.group(NIC_RX, sa, (0, 1), criteria);
    let decrypt =
        entry(NIC_RX, sa, group, 0).value(value).action(DECRYPT | REFORMAT | MOD_HDR).count(counted);
    let decrypt = decrypt.forward(status).with(|entry| {
        let context = entry.context.set().encrypt_decrypt_obj_id(crypto).packet_reformat_id(context);
        context.modify_header_id(rewrite);
    });
    decrypt.set(bench).unwrap();
    let group = bench.group(NIC_RX, sa, (3, 3), &any());
    entry(NIC_RX, sa, group, 3).forward(end).set(bench).unwrap();
    Receiving { sa: counted, auth, replay, rest, passed, other }
}

/// What the sender put on the wire.
pub(super) fn on_the_wire(bench: &mut Bench, packet: Transit) -> Vec<u8> {
    bench.send(packet);
    let taps = core::mem::take(&mut bench.device.out.taps);
    taps.into_iter().find(|tap| tap.side == Side::Wire && tap.outbound).expect("an encrypted packet").frame
}

/// Where packets were seen since the last call, and which way they went.
fn seen(bench: &mut Bench) -> Vec<(Side, bool, Vec<u8>)> {
    let taps = core::mem::take(&mut bench.device.out.taps);
    taps.into_iter().map(|tap| (tap.side, tap.outbound, tap.frame)).collect()
}

#[test]
fn packets_are_encrypted_and_decrypted_on_their_way() {
    for variant in variants() {
        let name = variant.name;
        let mut bench = Bench::new();
        bench.device.set_tapping(true);
        let out = sending(&mut bench, &variant);
        let plain = udp(ENDS, b"twelve bytes");
        let wire = on_the_wire(&mut bench, Transit::new(plain.clone()));
        let esp = *Headers::parse(&wire).outer.esp().expect(name);
        assert_eq!((esp.spi, esp.sequence), (SPI, 1), "{name}");
        let padding = wire.len() - plain.len() - variant.overhead;
        assert!(padding < 4, "{name}: {padding}");
        let lengths = (plain.len() as u64, wire.len() as u64);
        assert_eq!(bench.counted(out.encrypted), (1, lengths.0), "{name}");
        assert_eq!(bench.counted(out.left), (1, lengths.1), "{name}");
        // Another destination is not selected by the policy.
        let other = udp(Ends { destination: [192, 0, 2, 9], ..ENDS }, &[7; 60]);
        bench.send(Transit::new(other.clone()));
        assert_eq!(
            seen(&mut bench),
            [(Side::Host, true, other.clone()), (Side::Wire, true, other)],
            "{name}"
        );
        assert_eq!((bench.counted(out.bypassed).0, bench.counted(out.encrypted).0), (1, 1), "{name}");
        let second = on_the_wire(&mut bench, Transit::new(plain.clone()));

        let inn = receiving(&mut bench, &variant);
        let verdicts = [inn.auth, inn.replay, inn.rest, inn.passed, inn.other];
        let mut corrupted = second.clone();
        if let Some(last) = corrupted.last_mut() {
            *last ^= 1;
        }
        let mut counts = [0; 5];
        for (frame, verdict) in
            [(&wire, 3), (&wire, 1), (&corrupted, 0), (&second, 3), (&second, 1), (&plain, 3)]
        {
            bench.receive(frame);
            counts[verdict] += 1;
            assert_eq!(verdicts.map(|counter| bench.counted(counter).0), counts, "{name}");
        }
        // A fragment is not for the SA.
        let mut fragment = wire.clone();
        let flags = if name == "transport over UDP" {
            20
        } else {
            Headers::parse(&wire).outer.ip.unwrap().offset + 6
        };
        fragment[flags] |= 0x20;
        bench.receive(&fragment);
        counts[4] += 1;
        assert_eq!(verdicts.map(|counter| bench.counted(counter).0), counts, "{name}");
        assert_eq!(bench.counted(inn.sa), (5, 5 * lengths.1), "{name}");
        // Register B stays the packet's: what passed left with its plain length.
        assert_eq!(bench.counted(inn.passed), (3, 3 * lengths.0), "{name}");
    }
}

/// A rule that drops, such as Linux sets while a neighbour is unknown, does not use up a sequence number.
#[test]
fn an_entry_that_drops_only_counts() {
    let variant = &variants()[0];
    let mut bench = Bench::new();
    bench.device.set_tapping(true);
    let out = sending(&mut bench, variant);
    let sa = 2;
    let of = param!(misc_parameters_2: FteMatchSetMisc2 { metadata_reg_c_4: REQID });
    let mut query =
        mlx5_pci::prm::QueryFteIn::build().opcode(Opcode::QUERY_FLOW_TABLE_ENTRY.0).table_type(NIC_TX);
    query = query.table_id(sa).flow_index(0);
    let answer = bench.ask(query.done().as_bytes(), 0x350).unwrap();
    let context = mlx5_pci::prm::QueryFteOut::copy_from(&answer).flow_context();
    let change = |action: u16, to: Option<u32>| {
        let mut change = entry(NIC_TX, sa, context.group_id(), 0).value(&of).modify(1 | 1 << 2);
        change.context = context.clone();
        change.context.set().action(action);
        match to {
            Some(table) => change.forward(table),
            None => change,
        }
    };
    let crypto = context.action() & !(DROP | 4);
    change(crypto | DROP, None).set(&mut bench).unwrap();
    bench.send(Transit::new(udp(ENDS, b"lost")));
    assert_eq!((bench.counted(out.encrypted).0, bench.counted(out.left).0), (1, 0));
    change(crypto, Some(3)).set(&mut bench).unwrap();
    let wire = on_the_wire(&mut bench, Transit::new(udp(ENDS, b"kept")));
    assert_eq!(Headers::parse(&wire).outer.esp().unwrap().sequence, 1);
}
