"""`fairdial audit`: was it all as the record says?"""

from __future__ import annotations

import typer

from fairdial.cli.shell import EXIT_FAILED, carry_out, err, out, settings_in_force

audit_cli = typer.Typer(no_args_is_help=True, help="The audit chain.")


@audit_cli.command("verify")
def audit_verify() -> None:
    """Check the whole audit chain, and every permit, refusal and attempt against it."""
    from fairdial.app import open_store
    from fairdial.flow.verify import AuditReport
    from fairdial.flow.verify import verify_audit as verify

    settings = settings_in_force()

    async def look() -> AuditReport:
        async with open_store(settings, lambda _: None) as store:
            return await verify(store)

    report = carry_out(look())
    for finding in report.findings:
        err.print(f"fault: {finding.what}: {finding.why}", highlight=False, markup=False)
    if report.findings:
        err.print(f"{len(report.findings)} faults in {report.entries} entries", highlight=False)
        raise typer.Exit(EXIT_FAILED)
    out.print(
        f"the chain of {report.entries} entries holds; permits and attempts agree with it",
        highlight=False,
    )
