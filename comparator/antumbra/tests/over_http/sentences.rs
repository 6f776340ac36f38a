//! What the command line says where something is wrong, word by word: a change of words is seen here.

use crate::command_line::{Line, antumbra};
use crate::server::{World, healthy};
use crate::service::nobody;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_in_the_users_terms() {
    let world = World::with_shop().await;
    world.batch(1, &healthy(20)).await;
    std::fs::write(world.data().with_file_name("shop.yaml"), crate::server::SHOP).unwrap();
    std::fs::write(
        world.data().with_file_name("shop.gor"),
        "1 a1 1\nGET / HTTP/1.1\r\nHost: x\r\n\r\n\n🐵🙈🙉\n",
    )
    .unwrap();
    let away = nobody().await;
    for (line, said) in [
        (
            format!("status --server http://{away}"),
            format!(
                "antumbra: cannot reach http://{away} (connection refused); \
                 is `antumbra serve` running there? --server or ANTUMBRA_SERVER names another"
            ),
        ),
        (
            "status --server ftp://x".to_owned(),
            "antumbra: --server is \"ftp://x\", must be an http:// address, such as http://127.0.0.1:7400".to_owned(),
        ),
        (
            "weights set canary=1 --rule splitt".to_owned(),
            "antumbra: no split of rule \"splitt\"; rules with a split: share".to_owned(),
        ),
        (
            "policy put shop.yaml --if-generation 3".to_owned(),
            "antumbra: the policy is at generation 1, not 3".to_owned(),
        ),
        (
            "replay shop.gor --primary http://10.1.2.3:1 --candidate http://127.0.0.1:1".to_owned(),
            "antumbra: --primary http://10.1.2.3:1: 10.1.2.3 is a private address; --allow-address 10.1.2.3 or a network around it allows that"
                .to_owned(),
        ),
        ("init there".to_owned(), "antumbra: stdin is not a terminal, so nothing can be asked; --yes takes the defaults".to_owned()),
        ("report --policy till".to_owned(), "antumbra: there is no policy \"till\"".to_owned()),
    ] {
        let Line { err, .. } = antumbra(&world, &line).await;
        assert_eq!(err.trim_end(), said, "{line}");
    }
    for (line, said) in [
        ("mirror set 5%", "shop: already so, at generation 1\n"),
        ("audit", "hash chain intact (1 checked)\n"),
        ("verdict", " 10 % of exchanges are 10 % slower: 396 to 1,977 more exchanges\n"),
    ] {
        let Line { out, .. } = antumbra(&world, line).await;
        assert!(out.ends_with(said), "{line}: {out}");
    }
}
