"""The page's looks, for light and dark, wide and narrow."""

STYLE = """
:root{color-scheme:light dark;--text:#1f2328;--dim:#59636e;--line:#d1d9e0;--back:#fff;--soft:#f6f8fa;--link:#0969da;
--pass:#1a7f37;--fail:#cf222e;--insufficient:#9a6700;--error:#8250df;--none:#59636e}
@media(prefers-color-scheme:dark){:root{--text:#f0f6fc;--dim:#9198a1;--line:#3d444d;--back:#0d1117;--soft:#151b23;
--link:#4493f8;--pass:#3fb950;--fail:#f85149;--insufficient:#d29922;--error:#ab7df8;--none:#9198a1}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:72rem;padding:1rem 1.5rem 3rem;color:var(--text);background:var(--back);
font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.9rem;line-height:1.25;margin:.5rem 0 .2rem}h2{font-size:1.1rem;margin:2rem 0 .6rem}
h2 small{font-weight:400;margin-left:.8rem}h3{font-size:1rem;margin:0}
small,.facts,.dim,th{color:var(--dim)}p{margin:.3rem 0}
.pass{color:var(--pass)}.fail{color:var(--fail)}.insufficient{color:var(--insufficient)}.error{color:var(--error)}
.link{color:var(--link)}
.tag{border:1px solid var(--insufficient);color:var(--insufficient);border-radius:1rem;padding:0 .6rem;
font-size:.85rem;font-weight:400;margin-left:.8rem;white-space:nowrap;vertical-align:middle}
.reason{font-size:1.35rem;line-height:1.35;font-weight:600;margin:.6rem 0}.waits{color:var(--dim)}
.box{border:1px solid currentColor;border-left-width:.4rem;border-radius:.4rem;padding:.6rem 1rem;margin:.8rem 0;
font-size:1.1rem;background:color-mix(in srgb,currentColor 9%,var(--back))}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{font-weight:500}th,td{text-align:left;border-bottom:1px solid var(--line);padding:.3rem .8rem .3rem 0;
vertical-align:top;overflow-wrap:break-word}.wide td:not(:last-child){white-space:nowrap}
.chart{padding-left:3.6rem}.plot{position:relative;height:8rem}.plot.tall{height:15rem;margin-top:1.6rem}
.plot svg{position:absolute;inset:0;width:100%;height:100%;border:1px solid var(--line)}
.plot svg *{vector-effect:non-scaling-stroke}
.scale span{position:absolute;right:100%;margin-right:.4rem;transform:translateY(-50%);font-size:.8rem;
color:var(--dim);white-space:nowrap}
.name{position:absolute;bottom:100%;font-size:.8rem;color:var(--dim);overflow:hidden;white-space:nowrap;
text-overflow:ellipsis;padding-left:.25rem;background:var(--back)}
.name.rolling_back{color:var(--fail)}.name.baking,.name.promoting{color:var(--pass)}
.ticks{position:relative;height:1.4rem;font-size:.8rem;color:var(--dim)}
.ticks span{position:absolute;transform:translateX(-50%);white-space:nowrap}
.ticks .first{transform:none}.ticks .last{transform:translateX(-100%)}
.ends{display:flex;justify-content:space-between;font-size:.8rem;color:var(--dim)}
.grid{stroke:var(--line)}.band{fill:none;stroke:var(--line)}.band.starting{fill:var(--none);fill-opacity:.08}
.band.stepping{fill:var(--link);fill-opacity:.05}.band.baking{fill:var(--pass);fill-opacity:.1}
.band.promoting{fill:var(--pass);fill-opacity:.22}.band.rolling_back{fill:var(--fail);fill-opacity:.2}
.area{fill:var(--link);fill-opacity:.2}.candidate{fill:none;stroke:var(--link);stroke-width:2.5}
.baseline{fill:none;stroke:var(--dim);stroke-width:2;stroke-dasharray:5 3}
.pin{stroke:currentColor;stroke-dasharray:2 3}
.mark{display:inline-block;min-width:1.25rem;height:1.25rem;line-height:1.25rem;border-radius:1rem;text-align:center;
font-size:.75rem;font-weight:600}
.mark,.mark.fail,.mark.pass,.mark.link,.mark.insufficient{color:var(--back)}.mark.fail{background:var(--fail)}
.mark.pass{background:var(--pass)}.mark.link{background:var(--link)}.mark.insufficient{background:var(--insufficient)}
.plot .mark{position:absolute;transform:translateX(-50%)}
.key{display:inline-block;width:1.4rem;height:.7rem;margin:0 .35rem 0 .9rem;border-top:2.5px solid var(--link)}
.key.candidate{background:color-mix(in srgb,var(--link) 20%,var(--back))}
.key.baseline{border-top:2px dashed var(--dim);height:.35rem}.key.rest{border:1px solid var(--line)}
.events{list-style:none;padding:0;margin:.6rem 0}
.events .mark{justify-self:start;width:1.25rem}
.events li{display:grid;grid-template-columns:1.6rem 4.6rem 1fr;gap:.4rem;padding:.15rem 0;align-items:start}
.lines{list-style:none;padding:0;margin:.4rem 0}
.lines li{display:grid;grid-template-columns:5rem 1fr;padding:.2rem 0;border-bottom:1px solid var(--line)}
.lines li.fail{font-weight:600}time{color:var(--dim);font-variant-numeric:tabular-nums}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(24rem,100%),1fr));gap:1rem}
.card{border:1px solid var(--line);border-left:.35rem solid var(--now);border-radius:.5rem;padding:.8rem 1rem;
background:var(--soft);color:var(--text);--now:var(--none)}
.card.pass{--now:var(--pass)}.card.fail{--now:var(--fail)}.card.insufficient{--now:var(--insufficient)}
.card.error{--now:var(--error)}.card .chart{margin:.6rem 0}.card .plot svg{background:var(--back)}
.now b{font-size:1.25rem;color:var(--now)}
.interval{fill:var(--now);fill-opacity:.25}.estimate{fill:none;stroke:var(--now);stroke-width:2}
.budget{stroke:var(--fail);stroke-width:1.5;stroke-dasharray:6 4}.beyond{fill:var(--fail);fill-opacity:.07}
.meter span:last-child{text-align:right;white-space:nowrap}
.meter{display:grid;grid-template-columns:9.5rem 1fr 11.5rem;gap:.6rem;align-items:center;font-size:.85rem;
color:var(--dim)}.bar{height:.5rem;border-radius:.3rem;background:var(--line);overflow:hidden}
.bar i{display:block;height:100%}.harm i{background:var(--fail)}.fine i{background:var(--pass)}
.why{font-size:.9rem;margin-top:.5rem}
details{border-bottom:1px solid var(--line);padding:.35rem 0}summary{cursor:pointer}
pre{background:var(--soft);border:1px solid var(--line);border-radius:.4rem;padding:.6rem;overflow-x:auto;
font-size:.8rem;max-height:24rem}
@media(max-width:40rem){body{padding:.6rem .8rem 2rem}h1{font-size:1.45rem}.reason{font-size:1.15rem}
h2 small{display:block;margin:.2rem 0}.key:first-child{margin-left:0}.chart{padding-left:3rem}
.ticks span:nth-child(even){display:none}.meter{grid-template-columns:1fr auto}.meter .bar{grid-row:2;grid-column:1/3}}
"""
