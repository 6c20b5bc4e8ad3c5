//! Address to listen on: an address, a name, or a port alone.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

/// Parses `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, `:8080` for all addresses of this machine, or `8080` for
/// localhost alone.
///
/// # Errors
/// If the text is none of these, or the name has no address.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Ok(port) = text.parse() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    let expected = || format!("expected an address and a port such as 127.0.0.1:8080, found `{text}`");
    let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
    let port: u16 = port.parse().map_err(|_| expected())?;
    if host.is_empty() {
        return Ok((Ipv4Addr::UNSPECIFIED, port).into());
    }
    let found = (host, port).to_socket_addrs().map_err(|error| format!("{host}: {error}"))?;
    let mut addresses: Vec<SocketAddr> = found.collect();
    // A name such as localhost can have both; more clients reach the older one.
    addresses.sort_by_key(|address| !matches!(address.ip(), IpAddr::V4(_)));
    addresses.first().copied().ok_or_else(|| format!("{host} has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_names_and_ports() {
        let parsed = |text: &str| address(text).map(|address| address.to_string());
        assert_eq!(parsed("10.0.0.1:80").as_deref(), Ok("10.0.0.1:80"));
        assert_eq!(parsed("[::1]:80").as_deref(), Ok("[::1]:80"));
        assert_eq!(parsed("localhost:80").as_deref(), Ok("127.0.0.1:80"));
        assert_eq!(parsed(":80").as_deref(), Ok("0.0.0.0:80"));
        assert_eq!(parsed("80").as_deref(), Ok("127.0.0.1:80"));
        for text in ["", "localhost", "localhost:", "localhost:99999", "99999", ":x"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
