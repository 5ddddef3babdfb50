"""HTTP for the kubelet and for Prometheus: `/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

Verdict = Callable[[], "str | None"]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ProbeServer:
    """Serves probes on one port and metrics on another; port 0 picks a free one."""

    def __init__(self, *, alive: Verdict, ready: Verdict, metrics: Callable[[], bytes]) -> None:
        self._alive = alive
        self._ready = ready
        self._metrics = metrics
        self._runners: list[web.AppRunner] = []

    async def start(self, *, health_port: int, metrics_port: int) -> tuple[int, int]:
        """Listen on all interfaces; return the ports. Raises OSError if one is taken."""
        health, metrics = web.Application(), web.Application()
        health.router.add_get("/healthz", self._answer(self._alive))
        health.router.add_get("/readyz", self._answer(self._ready))
        metrics.router.add_get("/metrics", self._scrape)
        return await self._serve(health, health_port), await self._serve(metrics, metrics_port)

    async def _serve(self, application: web.Application, port: int) -> int:
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, None, port)
        await site.start()
        return int(runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop to listen."""
        for runner in self._runners:
            await runner.cleanup()

    @staticmethod
    def _answer(verdict: Verdict) -> Handler:
        async def answer(_: web.Request) -> web.StreamResponse:
            problem = verdict()
            if problem is None:
                return web.Response(text="ok\n")
            return web.Response(status=503, text=f"{problem}\n")

        return answer

    async def _scrape(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), content_type="text/plain", charset="utf-8")
