//! The client's address: the right-most hop that is no trusted proxy (design, rule 14).
//!
//! Whatever stands left of that hop was written by somebody who is not trusted, so it is never read.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;

/// Peers whose forwarding headers are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies(Box<[IpNet]>);

/// Most hops that are looked at.
const MAX_HOPS: usize = 32;

impl TrustedProxies {
    /// From networks; those of IPv4 addresses mapped into IPv6 mean the IPv4 ones.
    #[must_use]
    pub fn new(nets: &[IpNet]) -> Self {
        Self(nets.iter().copied().map(unmapped).collect())
    }

    /// Whether the address is a trusted proxy's.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|net| net.contains(&address))
    }

    /// The client's address, given who is connected, the `X-Forwarded-For` header lines in their
    /// order, and the last `X-Real-IP` line.
    ///
    /// A peer that is not trusted is the client. Else the hops of all lines are walked from the
    /// right to the first that is not trusted; a hop that is no address, or the 33rd, ends the walk
    /// at the last good one. `X-Real-IP` counts only where no line names any hop.
    #[must_use]
    pub fn client<'h>(
        &self,
        peer: IpAddr,
        forwarded_for: impl DoubleEndedIterator<Item = &'h [u8]>,
        real_ip: Option<&[u8]>,
    ) -> IpAddr {
        let mut last = peer.to_canonical();
        if !self.contains(last) {
            return last;
        }
        let hops = forwarded_for
            .rev()
            .flat_map(|line| line.rsplit(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|hop| !hop.is_empty());
        let mut forwarded = false;
        for hop in hops.take(MAX_HOPS) {
            forwarded = true;
            let Some(address) = parse(hop) else { return last };
            last = address;
            if !self.contains(address) {
                return last;
            }
        }
        if !forwarded && let Some(address) = real_ip.and_then(|hop| parse(hop.trim_ascii())) {
            return address;
        }
        last
    }
}

/// An address as proxies write it: with or without brackets, port and zone.
fn parse(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Some(socket.ip().to_canonical());
    }
    let (inner, rest) = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => (text, ""),
    };
    let port = rest.strip_prefix(':').unwrap_or(rest);
    if rest.len() > 6 || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let address = inner.split_once('%').map_or(inner, |(address, _)| address);
    address.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn unmapped(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(v4), Some(prefix)) => v4_net(v4, prefix).unwrap_or(net),
        _ => net,
    }
}

fn v4_net(address: Ipv4Addr, prefix: u8) -> Option<IpNet> {
    ipnet::Ipv4Net::new(address, prefix).ok().map(IpNet::V4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn proxies() -> TrustedProxies {
        let nets = ["127.0.0.1/32", "::1/128", "10.0.0.0/8", "::ffff:192.0.2.0/120", "fe80::/10"];
        TrustedProxies::new(&nets.map(|net| net.parse().unwrap()))
    }

    fn client(peer: &str, lines: &[&[u8]], real_ip: Option<&[u8]>) -> String {
        proxies().client(peer.parse().unwrap(), lines.iter().copied(), real_ip).to_string()
    }

    #[test]
    fn the_right_most_untrusted_hop_is_the_client() {
        for (lines, address) in [
            (&["203.0.113.42"] as &[&str], "203.0.113.42"),
            (&["1.1.1.1, 203.0.113.42, 10.0.0.7"], "203.0.113.42"),
            (&["1.1.1.1", "203.0.113.42,10.0.0.7", "192.0.2.9"], "203.0.113.42"),
            (&["203.0.113.42:51234"], "203.0.113.42"),
            (&["::ffff:203.0.113.42"], "203.0.113.42"),
            (&["[2001:db8::1]:443"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["2001:db8::1%eth0"], "2001:db8::1"),
            (&["[2001:db8::1%eth0]:443"], "2001:db8::1"),
            (&["203.0.113.42, ,\t"], "203.0.113.42"),
            // no address ends the walk at the last good hop
            (&["203.0.113.42, unknown"], "127.0.0.1"),
            (&["203.0.113.42, unknown, 10.0.0.7"], "10.0.0.7"),
            (&["999.0.0.1"], "127.0.0.1"),
            (&["[2001:db8::1]x"], "127.0.0.1"),
            (&["10.0.0.8, 10.0.0.7"], "10.0.0.8"),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
            assert_eq!(client("127.0.0.1", &lines, Some(b"198.51.100.1")), address, "{lines:?}");
        }
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        assert_eq!(client("203.0.113.9", &[b"198.51.100.1"], Some(b"198.51.100.2")), "203.0.113.9");
        assert_eq!(client("::ffff:203.0.113.9", &[], None), "203.0.113.9");
        assert!(proxies().contains("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!proxies().contains("127.0.0.2".parse().unwrap()));
    }

    #[test]
    fn the_real_ip_counts_only_where_nothing_was_forwarded() {
        assert_eq!(client("::1", &[], Some(b" 198.51.100.1 ")), "198.51.100.1");
        assert_eq!(client("::1", &[b" , "], Some(b"198.51.100.1")), "198.51.100.1");
        assert_eq!(client("::1", &[], Some(b"nobody")), "::1");
        assert_eq!(client("::1", &[b"nobody"], Some(b"198.51.100.1")), "::1");
    }

    #[test]
    fn a_long_chain_ends_after_32_hops() {
        let chain = |trusted: usize| format!("203.0.113.42{}", ",10.0.0.7".repeat(trusted));
        assert_eq!(client("::1", &[chain(31).as_bytes()], None), "203.0.113.42");
        assert_eq!(client("::1", &[chain(32).as_bytes()], None), "10.0.0.7");
    }

    proptest! {
        #[test]
        fn no_prefix_changes_the_client(
            lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4),
            prefix in prop::collection::vec(any::<u8>(), 0..60),
            known in "[0-9a-f:., %\\[\\]]{0,40}",
        ) {
            let real = b"203.0.113.42, 10.0.0.7";
            for prefix in [prefix.as_slice(), known.as_bytes()] {
                let joined = [prefix, b",", real].concat();
                let mut all: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
                all.push(&joined);
                prop_assert_eq!(client("127.0.0.1", &all, Some(prefix)), "203.0.113.42");
            }
        }
    }
}
