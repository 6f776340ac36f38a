//! The configuration that `envoy/` ships, with other ports, addresses and module: what the tests run is what a user copies.
//!
//! Only named places change. A place that the shipped file no longer has is an error, so that the file cannot drift away
//! from its tests unnoticed.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cache;

/// `envoy/envoy.yaml`, or another shipped file, as a value.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvoyConfig {
    value: Value,
    /// As errors name it.
    file: String,
}

impl EnvoyConfig {
    /// The shipped file as it is.
    pub fn shipped() -> Result<Self> {
        Self::read("envoy/envoy.yaml")
    }

    /// Another file of the repository as it is.
    pub fn read(file: &str) -> Result<Self> {
        let path = cache::root().join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let value =
            serde_saphyr::from_str(&text).with_context(|| format!("{} is no YAML", path.display()))?;
        Ok(Self { value, file: file.to_owned() })
    }

    /// Where clients come in. Port 0: a free one, which the admin interface shows under `/listeners?format=json`.
    pub fn listener(mut self, address: SocketAddr) -> Result<Self> {
        *self.at(LISTENER_ADDRESS)? = socket_address(address);
        Ok(self)
    }

    /// Where the admin interface listens. Port 0: a free one, which Envoy writes to the file of `--admin-address-path`.
    pub fn admin(mut self, address: SocketAddr) -> Result<Self> {
        *self.at("/admin/address")? = socket_address(address);
        Ok(self)
    }

    /// The filter module's file.
    pub fn module(mut self, file: &Path) -> Result<Self> {
        *self.at_filter(MODULE_FILE)? = json!(file);
        Ok(self)
    }

    /// What the filter reads as its configuration.
    pub fn plugin(mut self, configuration: &impl Serialize) -> Result<Self> {
        *self.at_filter(PLUGIN_CONFIGURATION)? = json!(serde_json::to_string(configuration)?);
        Ok(self)
    }

    /// What the file has the filter read.
    pub fn plugin_configuration(&mut self) -> Result<Value> {
        let text = self.at_filter(PLUGIN_CONFIGURATION)?.as_str().unwrap_or_default();
        serde_json::from_str(text).with_context(|| format!("the filter's configuration is no JSON: {text}"))
    }

    /// The names of the clusters, in order.
    pub fn clusters(&mut self) -> Result<Vec<String>> {
        let clusters = self.at("/static_resources/clusters")?.as_array().into_iter().flatten();
        Ok(clusters.filter_map(|cluster| cluster["name"].as_str()).map(str::to_owned).collect())
    }

    /// A cluster by its name, to change in place.
    pub fn cluster(&mut self, name: &str) -> Result<&mut Value> {
        let file = self.file.clone();
        named(self.at("/static_resources/clusters")?, name, &file)
    }

    /// The one endpoint of a cluster.
    pub fn upstream(mut self, cluster: &str, address: SocketAddr) -> Result<Self> {
        let file = self.file.clone();
        *within(self.cluster(cluster)?, ENDPOINT_ADDRESS, &file)? = socket_address(address);
        Ok(self)
    }

    /// How the proxy speaks HTTP/1.1 or HTTP/2 to a cluster: an `explicit_http_config`.
    pub fn speaking(mut self, cluster: &str, protocol: &Value) -> Result<Self> {
        let options = json!({
            "@type": format!("type.googleapis.com/{PROTOCOL_OPTIONS}"),
            "explicit_http_config": protocol,
        });
        self.cluster(cluster)?["typed_extension_protocol_options"] = json!({PROTOCOL_OPTIONS: options});
        Ok(self)
    }

    /// The same configuration with its listeners in `file`, which Envoy watches: renaming another one onto it changes them
    /// while traffic flows. Answers the file's text too.
    pub fn watched(self, file: &Path) -> Result<(Self, String)> {
        // Envoy asks for a name as soon as anything is watched.
        let mut this = self.node("shop");
        let mut listener = this.at("/static_resources/listeners/0")?.take();
        listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
        this.at("/static_resources")?.as_object_mut().context("no resources")?.remove("listeners");
        this.value["dynamic_resources"] = json!({"lds_config": {"path_config_source": {"path": file}}});
        Ok((this, json!({"resources": [listener]}).to_string()))
    }

    /// The same configuration of a proxy that calls itself so.
    #[must_use]
    pub fn node(mut self, id: &str) -> Self {
        self.value["node"] = json!({"id": id, "cluster": id});
        self
    }

    /// Whether the listeners are in this file, not in one that Envoy watches.
    pub fn has_listeners(&self) -> bool {
        self.value.pointer(LISTENER_ADDRESS).is_some()
    }

    /// An HTTP filter by its name, to change in place.
    pub fn filter(&mut self, name: &str) -> Result<&mut Value> {
        let file = self.file.clone();
        named(self.at(HTTP_FILTERS)?, name, &file)
    }

    fn at_filter(&mut self, pointer: &str) -> Result<&mut Value> {
        let file = self.file.clone();
        within(self.filter("antumbra")?, pointer, &file)
    }

    /// What is at a JSON pointer, to change in place. An error if nothing is.
    pub fn at(&mut self, pointer: &str) -> Result<&mut Value> {
        within(&mut self.value, pointer, &self.file)
    }

    /// The text for a file that Envoy reads: JSON, so its name has to end in `.json`.
    pub fn text(&self) -> String {
        format!("{:#}\n", self.value)
    }
}

/// The settings of the HTTP connection manager.
pub const CONNECTION_MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";

const HTTP_FILTERS: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
const LISTENER_ADDRESS: &str = "/static_resources/listeners/0/address";
const MODULE_FILE: &str = "/typed_config/config/vm_config/code/local/filename";
const PLUGIN_CONFIGURATION: &str = "/typed_config/config/configuration/value";
const PROTOCOL_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const ENDPOINT_ADDRESS: &str = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";

fn within<'v>(value: &'v mut Value, pointer: &str, file: &str) -> Result<&'v mut Value> {
    value.pointer_mut(pointer).with_context(|| format!("{file} has no {pointer}"))
}

fn named<'v>(list: &'v mut Value, name: &str, file: &str) -> Result<&'v mut Value> {
    let items = list.as_array_mut().into_iter().flatten();
    let mut found = items.filter(|item| item["name"] == name);
    found.next().with_context(|| format!("{file} has nothing named {name:?}"))
}

fn socket_address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn named_places_change_and_nothing_else() {
        let shipped = EnvoyConfig::shipped().unwrap();
        let changed = shipped.clone().listener(address(1)).unwrap().admin(address(2)).unwrap();
        let changed = changed.module(Path::new("/m.wasm")).unwrap().plugin(&json!({"release": "r"})).unwrap();
        let mut changed = changed.upstream("control", address(3)).unwrap();
        assert_eq!(changed.at(LISTENER_ADDRESS).unwrap()["socket_address"]["port_value"], 1);
        let mut differing = Vec::new();
        differences(&shipped.value, &changed.value, String::new(), &mut differing);
        assert_eq!(
            differing,
            [
                "/admin/address/socket_address/port_value",
                "/static_resources/clusters/3/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value",
                "/static_resources/listeners/0/address/socket_address/address",
                "/static_resources/listeners/0/address/socket_address/port_value",
                "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config/configuration/value",
                "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config/vm_config/code/local/filename",
            ]
        );
    }

    #[test]
    fn a_place_that_is_not_there_is_an_error() {
        let error = EnvoyConfig::shipped().unwrap().upstream("canarry", address(1)).unwrap_err();
        assert_eq!(error.to_string(), "envoy/envoy.yaml has nothing named \"canarry\"");
        let mut shipped = EnvoyConfig::shipped().unwrap();
        assert_eq!(
            shipped.at("/admin/adress").unwrap_err().to_string(),
            "envoy/envoy.yaml has no /admin/adress"
        );
    }

    #[test]
    fn the_shipped_plugin_configuration_is_what_the_filter_reads() {
        let mut shipped = EnvoyConfig::shipped().unwrap();
        let value = shipped.plugin_configuration().unwrap();
        assert_eq!(value, json!({"release": "shop", "comparator": {"cluster": "antumbra"}}));
    }

    fn differences(left: &Value, right: &Value, path: String, found: &mut Vec<String>) {
        match (left, right) {
            (Value::Object(left), Value::Object(right)) if left.keys().eq(right.keys()) => {
                for (key, value) in left {
                    differences(value, &right[key], format!("{path}/{key}"), found);
                }
            }
            (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
                for (index, (left, right)) in left.iter().zip(right).enumerate() {
                    differences(left, right, format!("{path}/{index}"), found);
                }
            }
            _ if left != right => found.push(path),
            _ => {}
        }
    }
}
