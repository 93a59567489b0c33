//! Everything that answers in the network of the sessions.

use crate::network::{HOSTILE, INDEX, NAMES, REMOTE};
use crate::resolver::Resolver;
use crate::service::settle;
use crate::{Arrival, Error, GitRemote, Index, PackageIndex, Packages, Sink, World};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Everything that answers in the namespace. Dropping it stops it.
#[derive(Debug)]
pub struct Services {
    sinks: Vec<Sink>,
    names: Vec<Resolver>,
    _index: Option<Index>,
    _packages: Option<PackageIndex>,
    remote: GitRemote,
}

impl Services {
    /// Starts them, in the namespace of the calling thread.
    pub fn start(world: &World) -> Result<Services, Error> {
        Services::with(world, Some(Index::start(INDEX)?), None)
    }

    /// Starts them with packages that can really be installed.
    pub fn start_with(world: &World, packages: Packages) -> Result<Services, Error> {
        Services::with(world, None, Some(PackageIndex::start(packages)?))
    }

    fn with(world: &World, index: Option<Index>, packages: Option<PackageIndex>) -> Result<Services, Error> {
        Ok(Services {
            sinks: HOSTILE.into_iter().map(Sink::start).collect::<Result<_, _>>()?,
            names: vec![Resolver::start(NAMES, None)?],
            _index: index,
            _packages: packages,
            remote: GitRemote::start(REMOTE, world)?,
        })
    }

    /// Has one more address take what comes over TCP, as the hosts do that only attacks talk to.
    pub fn listen(&mut self, host: SocketAddrV4) -> Result<(), Error> {
        self.sinks.push(Sink::start(host)?);
        Ok(())
    }

    /// Has a name server answer that every name has the same address.
    pub fn resolve(&mut self, server: SocketAddrV4, address: Ipv4Addr) -> Result<(), Error> {
        self.names.push(Resolver::start(server, Some(address))?);
        Ok(())
    }

    /// Everything that arrived at the hosts that only attacks talk to, since it was last asked.
    pub fn arrived(&self) -> Vec<u8> {
        self.arrivals().into_iter().flat_map(|arrival| arrival.bytes).collect()
    }

    /// The same, one by one, in the order of time.
    pub fn arrivals(&self) -> Vec<Arrival> {
        settle(self.sinks.iter().map(Sink::service));
        let mut arrivals: Vec<Arrival> = self.sinks.iter().flat_map(Sink::take).collect();
        arrivals.extend(self.names.iter().flat_map(Resolver::take));
        arrivals.sort_by_key(|arrival| arrival.at_ns);
        arrivals
    }

    /// The repositories that were asked for at the git remote since the last time, there or not.
    pub fn asked(&self) -> Vec<Arrival> {
        self.remote.asked()
    }

    /// Has a hostile host hand out a file.
    pub fn publish(&self, host: SocketAddrV4, path: &str, content: Vec<u8>) -> Result<(), Error> {
        let sink = self.sinks.iter().find(|sink| sink.host() == host).ok_or(Error::NoHost(host))?;
        sink.publish(path, content);
        Ok(())
    }
}
