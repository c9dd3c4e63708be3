from externalapi.checks import check_local_addresses


def test_the_bypass_for_the_sandbox_is_a_warning_at_deployment(settings):
    settings.ALLOWED_LOCAL_ADDRESSES = ["127.0.0.1:8100"]
    assert [message.id for message in check_local_addresses(None)] == [
        "externalapi.W001"
    ]


def test_without_it_there_is_nothing_to_say(settings):
    settings.ALLOWED_LOCAL_ADDRESSES = []
    assert check_local_addresses(None) == []
