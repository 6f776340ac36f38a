//! `customer-hash`: the hash of who the customer is decides, and goes on deciding alike.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use antumbra_e2e::client::Client;
use antumbra_e2e::example::{Example, Reached, is_share};
use anyhow::Result;

use crate::{VARIANT, assert_claims};

const CUSTOMERS: usize = 400;

/// The example after its first step.
async fn started(percent: &str) -> Result<Example> {
    let customers = Example::start("customer-hash").await?;
    let current = 100 - percent.parse::<u32>()?;
    customers
        .antumbra(&["weights", "set", &format!("next={percent}"), &format!("current={current}")])
        .await?;
    Ok(customers)
}

/// Those of the customers who get the next version, by this kind of key.
async fn on_next(example: &Example, header: &str, prefix: &str) -> Result<BTreeSet<usize>> {
    let mut found = BTreeSet::new();
    for customer in 0..CUSTOMERS {
        let value = format!("{prefix}{customer}");
        let reached = example.ask("/", &[(header, &value)]).await?;
        assert_eq!(reached.received(VARIANT), Some(&*reached.service));
        if reached.service == "next" {
            found.insert(customer);
        }
    }
    Ok(found)
}

#[tokio::test]
async fn each_kind_of_key_gets_its_share_and_a_customer_always_the_same() -> Result<()> {
    let customers = started("20").await?;
    let by_header = on_next(&customers, "x-customer-id", "").await?;
    let by_cookie = on_next(&customers, "cookie", "uid=").await?;
    assert!(is_share(by_header.len(), CUSTOMERS, 20.0), "{} of {CUSTOMERS}", by_header.len());
    assert_eq!(by_cookie, by_header, "the same customer by another key");

    // The header outranks the cookie, and the cookie the address.
    let (inside, outside) = (*by_header.iter().next().unwrap(), other(&by_header));
    let (inside, outside) = (inside.to_string(), outside.to_string());
    for (header, cookie, expected) in [(&inside, &outside, "next"), (&outside, &inside, "current")] {
        let cookie = format!("uid={cookie}");
        let reached = customers.ask("/", &[("x-customer-id", header), ("cookie", &cookie)]).await?;
        assert_eq!(reached.service, expected, "{header} {cookie}");
    }
    for home in 1..=5 {
        let client = Client::from(Ipv4Addr::new(127, 0, 3, home).into());
        let reached = customers.ask_by(&client, "/", &[("x-customer-id", &inside)]).await?;
        assert_eq!(reached.service, "next");
        // An empty id is none: else all who send it would be one customer.
        let empty = customers.ask_by(&client, "/", &[("x-customer-id", "")]).await?;
        assert_eq!(empty.service, customers.ask_by(&client, "/", &[]).await?.service);
    }
    customers.assert_no_traps().await
}

/// The machine has all of 127.0.0.0/8, so the peers are real ones.
#[tokio::test]
async fn without_a_name_the_address_decides() -> Result<()> {
    let customers = started("20").await?;
    let mut on_next = 0;
    for host in 1..=200 {
        let client = Client::from(Ipv4Addr::new(127, 0, 2, host).into());
        let first = customers.ask_by(&client, "/", &[]).await?.service;
        // At the edge nobody's x-forwarded-for is believed.
        let forged = customers.ask_by(&client, "/", &[("x-forwarded-for", "203.0.113.9")]).await?.service;
        assert_eq!(forged, first, "127.0.2.{host}");
        on_next += usize::from(first == "next");
    }
    assert!(is_share(on_next, 200, 20.0), "{on_next} of 200");
    Ok(())
}

#[tokio::test]
async fn whoever_has_the_next_version_keeps_it_while_the_share_grows() -> Result<()> {
    let customers = Example::start("customer-hash").await?;
    assert_eq!(on_next(&customers, "x-customer-id", "").await?.len(), 0);
    customers.antumbra(&["weights", "set", "next=20", "current=80"]).await?;
    assert_claims(&customers, 4).await?;
    let mut before = on_next(&customers, "x-customer-id", "").await?;
    for percent in ["50", "100"] {
        let current = 100 - percent.parse::<u32>()?;
        customers
            .antumbra(&["weights", "set", &format!("next={percent}"), &format!("current={current}")])
            .await?;
        let now = on_next(&customers, "x-customer-id", "").await?;
        assert!(is_share(now.len(), CUSTOMERS, percent.parse()?), "{percent} %: {}", now.len());
        assert!(now.is_superset(&before), "{percent} %: {:?} lost it", before.difference(&now));
        before = now;
    }
    customers.put("policy.yaml").await?;
    let rolled_back = on_next(&customers, "x-customer-id", "").await?;
    assert_eq!(rolled_back.len(), 0);
    customers.assert_no_traps().await
}

/// A browser that has the next version keeps it when the share shrinks, but not when there is none; one that does not have it
/// can still get it.
#[tokio::test]
async fn a_browser_keeps_the_next_version_while_the_share_shrinks() -> Result<()> {
    let customers = Example::start("customer-hash").await?;
    let mut cookies = vec![None; CUSTOMERS];
    for percent in ["20", "50"] {
        let current = 100 - percent.parse::<u32>()?;
        customers
            .antumbra(&["weights", "set", &format!("next={percent}"), &format!("current={current}")])
            .await?;
        for (customer, cookie) in cookies.iter_mut().enumerate() {
            let reached = browse(&customers, customer, cookie.as_deref()).await?;
            match (reached.got("set-cookie").as_slice(), &*reached.service) {
                ([], "current") => assert_eq!(*cookie, None, "{customer}"),
                ([], "next") => assert!(cookie.is_some(), "{customer}"),
                ([set], "next") => *cookie = Some(remembered(set)),
                (set, service) => panic!("{customer} at {service}: {set:?}"),
            }
        }
        let remembering = cookies.iter().flatten().count();
        assert!(is_share(remembering, CUSTOMERS, percent.parse()?), "{percent} %: {remembering}");
    }

    customers.antumbra(&["weights", "set", "next=1", "current=99"]).await?;
    let mut without = 0;
    for (customer, cookie) in cookies.iter().enumerate().filter(|(_, cookie)| cookie.is_some()) {
        let kept = browse(&customers, customer, cookie.as_deref()).await?;
        assert_eq!((&*kept.service, kept.got("set-cookie").len()), ("next", 0), "{customer}");
        without += usize::from(browse(&customers, customer, None).await?.service == "next");
    }
    assert!(is_share(without, CUSTOMERS, 1.0), "{without} of {CUSTOMERS} without their cookies");

    customers.antumbra(&["weights", "set", "next=0", "current=100"]).await?;
    for (customer, cookie) in cookies.iter().enumerate().filter(|(_, cookie)| cookie.is_some()) {
        let evicted = browse(&customers, customer, cookie.as_deref()).await?;
        assert_eq!(evicted.service, "current", "{customer}");
        let set = evicted.got("set-cookie");
        assert!(set.len() == 1 && set[0].starts_with("__Host-antumbra-customers=; Max-Age=0; "), "{set:?}");
    }
    Ok(())
}

async fn browse(customers: &Example, customer: usize, cookie: Option<&str>) -> Result<Reached> {
    let customer = customer.to_string();
    let known = ("x-customer-id", customer.as_str());
    match cookie {
        Some(cookie) => customers.ask("/", &[known, ("cookie", cookie)]).await,
        None => customers.ask("/", &[known]).await,
    }
}

/// What a browser sends from now on.
fn remembered(set: &str) -> String {
    let (pair, attributes) = set.split_once("; ").unwrap_or_default();
    let (name, signature) = pair.split_once('~').unwrap_or_default();
    assert_eq!(name, "__Host-antumbra-customers=next");
    assert!(signature.len() >= 32, "{pair}");
    assert_eq!(attributes, "Max-Age=1209600; Path=/; Secure; HttpOnly; SameSite=Lax");
    pair.to_owned()
}

fn other(those: &BTreeSet<usize>) -> usize {
    (0..CUSTOMERS).find(|customer| !those.contains(customer)).unwrap()
}
