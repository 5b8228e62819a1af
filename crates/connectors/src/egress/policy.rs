//! The ranges that are refused, and the operator's exceptions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Which addresses may be connected to: the public internet, and the networks the operator named.
///
/// The default allows no exceptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    /// Networks that are permitted although they are private (`ALLOW_PRIVATE_UPSTREAMS`).
    pub allowed: Vec<IpNet>,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, d: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), prefix)
}

/// From the IANA IPv4 special-purpose registry (RFC 6890), plus what clouds put elsewhere.
const REFUSED_V4: &[Ipv4Net] = &[
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    // CGNAT; holds Alibaba Cloud's metadata address 100.100.100.200 too.
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    // Link-local; holds the metadata address 169.254.169.254 and the ECS one 169.254.170.2 too.
    v4(169, 254, 0, 0, 16),
    // Azure's host agent: a public address that means the machine we run on.
    v4(168, 63, 129, 16, 32),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    // 6to4 relays, withdrawn by RFC 7526.
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    // Reserved, and the broadcast address with it.
    v4(240, 0, 0, 0, 4),
];

/// The one block global unicast addresses come from; everything else is for special use:
/// unspecified, loopback, NAT64 (64:ff9b::/96, 64:ff9b:1::/48), discard, segment routing,
/// unique-local (and fd00:ec2::254 in it), link-local, site-local, multicast.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 0, 3);

/// What is special within `GLOBAL_V6`, from the IANA IPv6 special-purpose registry.
const REFUSED_V6: &[Ipv6Net] = &[
    // Protocol assignments: Teredo 2001::/32, benchmarking 2001:2::/48, ORCHID and others.
    v6(0x2001, 0, 0, 0, 23),
    v6(0x2001, 0xdb8, 0, 0, 32),
    // 6to4 carries any IPv4 address in it.
    v6(0x2002, 0, 0, 0, 16),
    v6(0x3fff, 0, 0, 0, 20),
];

impl EgressPolicy {
    /// Permits the public internet and `allowed`.
    #[must_use]
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// Whether a connection to `address` may be made.
    ///
    /// An IPv4-mapped or IPv4-compatible IPv6 address is judged as the IPv4 address in it,
    /// against `allowed` too: the packets go to the IPv4 address.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = effective(address);
        let public = match address {
            IpAddr::V4(v4) => !REFUSED_V4.iter().any(|net| net.contains(&v4)),
            IpAddr::V6(v6) => {
                GLOBAL_V6.contains(&v6) && !REFUSED_V6.iter().any(|net| net.contains(&v6))
            }
        };
        public || self.allowed.iter().any(|net| net.contains(&address))
    }
}

/// The address that packets to `address` end at.
fn effective(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    // `::` and `::1` have the form of IPv4-compatible addresses, but are not.
    if v6.is_unspecified() || v6.is_loopback() {
        return address;
    }
    v6.to_ipv4().map_or(address, IpAddr::V4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn policy(allowed: &[&str]) -> EgressPolicy {
        EgressPolicy::new(allowed.iter().map(|net| net.parse().unwrap()).collect())
    }

    #[test]
    fn special_ranges_are_refused_to_their_edges() {
        let refused = [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.0.0",
            "169.254.169.254",
            "169.254.170.2",
            "169.254.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.0",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.0",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "::127.0.0.1",
            "::10.0.0.1",
            "::ffff:0.0.0.0",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "64:ff9b:1:ffff::1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff:ffff::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:808:808::1",
            "3fff::1",
            "3fff:fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "feff::1",
            "ff02::1",
            "ff0e::1",
        ];
        for address in refused {
            assert!(
                !EgressPolicy::default().permits(ip(address)),
                "{address} must be refused"
            );
        }
    }

    #[test]
    fn public_addresses_are_permitted_right_beside_the_ranges() {
        let permitted = [
            "1.0.0.0",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::8.8.8.8",
            "::ffff:8.8.8.8",
            "2000::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2003::1",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
        ];
        for address in permitted {
            assert!(
                EgressPolicy::default().permits(ip(address)),
                "{address} must be permitted"
            );
        }
    }

    #[test]
    fn allowed_networks_are_exceptions_and_nothing_more() {
        let policy = policy(&["10.1.0.0/16", "127.0.0.1/32", "fd12::/32", "::1/128"]);
        for address in [
            "10.1.2.3",
            "127.0.0.1",
            "::ffff:10.1.2.3",
            "fd12::7",
            "::1",
            "8.8.8.8",
        ] {
            assert!(policy.permits(ip(address)), "{address} must be permitted");
        }
        for address in [
            "10.2.0.1",
            "127.0.0.2",
            "::ffff:127.0.0.2",
            "fd13::7",
            "::",
            "fe80::1",
        ] {
            assert!(!policy.permits(ip(address)), "{address} must be refused");
        }
    }

    #[test]
    fn loopback_of_one_family_does_not_allow_that_of_the_other() {
        assert!(!policy(&["0.0.0.0/8", "127.0.0.0/8"]).permits(ip("::1")));
        assert!(!policy(&["::/0"]).permits(ip("127.0.0.1")));
        assert!(!policy(&["::/0"]).permits(ip("::ffff:127.0.0.1")));
    }

    proptest! {
        #[test]
        fn a_mapped_address_is_judged_as_its_ipv4(
            bits: u32,
            net: u32,
            prefix in 0u8..=32,
        ) {
            let address = Ipv4Addr::from_bits(bits);
            let allowed = IpNet::new(IpAddr::V4(Ipv4Addr::from_bits(net)), prefix).unwrap();
            for policy in [EgressPolicy::default(), EgressPolicy::new(vec![allowed])] {
                prop_assert_eq!(
                    policy.permits(IpAddr::V6(address.to_ipv6_mapped())),
                    policy.permits(IpAddr::V4(address))
                );
            }
        }

        #[test]
        fn no_ipv6_outside_global_unicast_passes(first: u16, rest: u128) {
            prop_assume!(first >> 13 != 1);
            let address = Ipv6Addr::from_bits(u128::from(first) << 112 | rest >> 16);
            prop_assume!(address.to_ipv4().is_none());
            prop_assert!(!EgressPolicy::default().permits(IpAddr::V6(address)));
        }
    }
}
