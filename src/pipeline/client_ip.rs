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
