//! A real nginx as Debian packages it, unpacked under `target/` and started on a configuration.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::process::Process;
use crate::{cache, command, debian};

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
}

impl Nginx {
    /// Starts nginx in `directory`, with what `http` writes as its `http` block, and waits until it takes connections at every one
    /// of `ports`: it opens them one after the other.
    ///
    /// # Errors
    /// There is no nginx to be had, it refuses the configuration, or a port is not free.
    pub fn start(directory: &Path, http: &str, ports: &[u16]) -> Result<Self> {
        let program = program()?;
        let settings = directory.join("nginx.conf");
        fs::write(&settings, format!("{SETTINGS}http {{\n{PLACES}\n{http}\n}}\n"))
            .with_context(|| format!("cannot write {}", settings.display()))?;
        let mut command = Command::new(program);
        command.arg("-p").arg(directory).arg("-c").arg(&settings).args(["-e", "errors.log"]);
        let mut checked = Command::new(command.get_program());
        command::run(checked.args(command.get_args()).arg("-t"))?;
        let number = directory.join(NUMBER);
        // The check leaves an empty file.
        fs::write(&number, "").with_context(|| format!("cannot write {}", number.display()))?;
        let mut nginx = Self { process: Process::spawn(command, "nginx", directory)? };
        nginx.wait_for(&number)?;
        for port in ports {
            nginx.wait(SocketAddr::from((Ipv4Addr::LOCALHOST, *port)))?;
        }
        Ok(nginx)
    }

    /// Waits until nginx has written its number, which it does once all ports are its own: before, somebody else may answer there.
    fn wait_for(&mut self, number: &Path) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while fs::read(number).is_ok_and(|text| text.is_empty()) {
            self.process.check()?;
            ensure!(Instant::now() < end, "nginx does not get its ports");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn wait(&mut self, address: SocketAddr) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            self.process.check()?;
            ensure!(Instant::now() < end, "nginx takes no connections at {address}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// The program, fetched once.
fn program() -> Result<PathBuf> {
    let mut version = debian::candidate("nginx")?;
    if version.is_none() && debian::is_root() {
        debian::update()?;
        version = debian::candidate("nginx")?;
    }
    let version = version.with_context(|| format!("apt knows no nginx: {}", debian::COMMAND))?;
    let name = format!("debian/nginx-{}", version.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
    let root = cache::once(&name, |place| {
        cache::say("fetching Debian's nginx into target/debian/ (0.5 MB, nothing is installed)");
        debian::unpack(&[format!("nginx={version}")], place)
    })?;
    Ok(root.join("usr/sbin/nginx"))
}

/// One process that stays with its parent, with all files in its own directory.
const SETTINGS: &str = "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log errors.log;\nevents { worker_connections 4096; }\n";
const PLACES: &str = "access_log off;\nclient_body_temp_path body;\nproxy_temp_path proxy;\nfastcgi_temp_path fastcgi;\n\
                      uwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\nserver_names_hash_bucket_size 128;\nmap_hash_bucket_size 256;\n\
                      variables_hash_max_size 65536;\nvariables_hash_bucket_size 128;\nkeepalive_timeout 0;";
/// Where `SETTINGS` have it write the number of its process.
const NUMBER: &str = "nginx.pid";
const PATIENCE: Duration = Duration::from_secs(20);
