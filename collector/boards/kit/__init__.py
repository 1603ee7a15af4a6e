"""What every board is made of: panels, whole boards, variables, and the Flux that several of them share.

Promises: looks are decided here, so that boards are alike; a panel says in sentences what it shows. Refuses: to know
any board, or anything about a site.
"""
